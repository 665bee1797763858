// Where request headers and certificates come from, and how they follow their files.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { answer, clientName, startFaultServer } from "../testing/fault-server.ts";
import { createAuthority } from "../testing/pki.ts";
import type { UserConfig } from "./cluster-config.ts";
import { createKubeClient } from "./connect.ts";
import { ClusterCredentials } from "./credentials.ts";

const base = { server: "https://x", namespace: "default" };

async function headersOf(user: UserConfig): Promise<object> {
  return (await new ClusterCredentials({ ...base, user }).current()).headers;
}

test("headers", async () => {
  assert.deepEqual(await headersOf({}), {});
  assert.deepEqual(await headersOf({ token: "abc" }), { authorization: "Bearer abc" });
  assert.deepEqual(await headersOf({ username: "joe", password: "pä" }), {
    authorization: `Basic ${Buffer.from("joe:pä").toString("base64")}`,
  });
  const impersonate = {
    user: "jane",
    uid: "7",
    groups: ["g1", "g2"],
    extra: { "example.com/Scopes": ["a", "b"], "p%": ["c"] },
  };
  assert.deepEqual(await headersOf({ token: "abc", impersonate }), {
    authorization: "Bearer abc",
    "impersonate-user": "jane",
    "impersonate-uid": "7",
    "impersonate-group": ["g1", "g2"],
    "impersonate-extra-example.com%2Fscopes": ["a", "b"],
    "impersonate-extra-p%25": ["c"],
  });
  await assert.rejects(headersOf({ token: "two\nlines" }), { kind: "Unauthorized" });
});

test("impersonation reaches the server, every group of it", async () => {
  await using server = await startFaultServer((request, response) => answer(response, 200, request.headers));
  for (const transport of ["http2", "http1"] as const) {
    const client = createKubeClient(
      {
        server: server.url,
        certificateAuthority: { data: server.authority.certificate },
        namespace: "default",
        user: { impersonate: { user: "jane", groups: ["g1", "g2"], extra: {} } },
      },
      { transport },
    );
    const seen = await client.getRaw("/");
    assert.ok(typeof seen === "object" && seen !== null && "impersonate-group" in seen);
    assert.equal(seen["impersonate-group"], "g1, g2", transport);
    await client.close();
  }
});

test("a token file is read again when it changes or after a minute, and its last text kept while it is gone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  const tokenFile = join(directory, "token");
  const clock = new FakeClock();
  const credentials = new ClusterCredentials({ ...base, user: { tokenFile } }, { clock });
  const bearer = async (): Promise<unknown> => (await credentials.current()).headers["authorization"];
  await assert.rejects(async () => credentials.current(), { kind: "Unauthorized" });
  await writeFile(tokenFile, "one\n");
  assert.equal(await bearer(), "Bearer one");
  const before = await credentials.current();
  assert.equal(await credentials.current(), before, "the same object while nothing changed");
  await writeFile(tokenFile, "another\n");
  await clock.advance(1000);
  assert.equal(await bearer(), "Bearer another");
  await rm(tokenFile);
  await clock.advance(60_000);
  assert.equal(await bearer(), "Bearer another");
  assert.equal(await credentials.refused(await credentials.current()), false);
  await writeFile(tokenFile, "third");
  assert.equal(await credentials.refused(await credentials.current()), true);
  assert.equal(await bearer(), "Bearer third");
  assert.equal(await credentials.refused(before), true, "refused long ago, another is known");
  await rm(directory, { recursive: true });
});

test("a token file wins over a token once it can be read", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  const tokenFile = join(directory, "token");
  assert.deepEqual(await headersOf({ token: "given", tokenFile }), { authorization: "Bearer given" });
  await writeFile(tokenFile, "filed");
  assert.deepEqual(await headersOf({ token: "given", tokenFile }), { authorization: "Bearer filed" });
  await rm(directory, { recursive: true });
});

test("a new certificate is taken only with its key, and then on new connections", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  const [cert, key, ca] = ["crt", "key", "ca"].map((name) => join(directory, name));
  assert.ok(cert !== undefined && key !== undefined && ca !== undefined);
  await using server = await startFaultServer((request, response) =>
    answer(response, 200, { name: clientName(request) }),
  );
  const [old, renewed] = [server.authority.issue({ commonName: "old" }), server.authority.issue({ commonName: "new" })];
  await writeFile(cert, old.certificate);
  await writeFile(key, old.key);
  await writeFile(ca, server.authority.certificate);
  const clock = new FakeClock();
  const client = createKubeClient(
    {
      server: server.url,
      certificateAuthority: { file: ca },
      namespace: "default",
      user: { clientCertificate: { file: cert }, clientKey: { file: key } },
    },
    { clock },
  );
  assert.deepEqual(await client.getRaw("/"), { name: "old" });
  await writeFile(cert, renewed.certificate);
  await clock.advance(1500);
  assert.deepEqual(await client.getRaw("/"), { name: "old" });
  assert.equal(server.connections.length, 1);
  await writeFile(key, renewed.key);
  await clock.advance(1500);
  assert.deepEqual(await client.getRaw("/"), { name: "new" });
  assert.equal(server.connections.length, 2);
  await client.close();
  await rm(directory, { recursive: true });
});

test("certificate and key of different pairs are refused at once", async () => {
  const authority = createAuthority("ca");
  const user = {
    clientCertificate: { data: authority.issue({ commonName: "a" }).certificate },
    clientKey: { data: authority.issue({ commonName: "b" }).key },
  };
  await assert.rejects(headersOf(user), { kind: "Unauthorized", message: /do not belong together/ });
});
