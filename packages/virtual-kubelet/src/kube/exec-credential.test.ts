// Credential plugins as real processes.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { answer, startFaultServer } from "../testing/fault-server.ts";
import type { ExecConfig } from "./cluster-config.ts";
import { createKubeClient } from "./connect.ts";
import { ExecPlugin } from "./exec-credential.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
});
after(() => rm(directory, { recursive: true }));

/** A plugin that notes each run in a file and then does `body`. */
async function plugin(
  body: string,
  more: Partial<ExecConfig> = {},
): Promise<{ config: ExecConfig; runs(): Promise<string[]> }> {
  const id = Math.random().toString(36).slice(2);
  const script = join(directory, `${id}.cjs`);
  const runs = join(directory, `${id}.runs`);
  await writeFile(
    script,
    `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(runs)}, process.env.KUBERNETES_EXEC_INFO + "\\n");
     const run = fs.readFileSync(${JSON.stringify(runs)}, "utf8").split("\\n").length - 1;
     const print = (status) => console.log(JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status }));
     ${body}`,
  );
  const config: ExecConfig = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: process.execPath,
    args: [script],
    env: {},
    provideClusterInfo: false,
    interactiveMode: "Never",
    ...more,
  };
  return { config, runs: async () => (await readFile(runs, "utf8")).trim().split("\n") };
}

const cluster = { server: "https://x", readAuthority: () => Promise.resolve("CA") };

test("one run serves all who wait, and those after, until the credential expires", async () => {
  const clock = new FakeClock();
  const expires = new Date(clock.now() + 60_000).toISOString();
  const { config, runs } = await plugin(`print({ token: "t" + run, expirationTimestamp: "${expires}" })`);
  const exec = new ExecPlugin(config, { clock, log: silentLogger, cluster, terminal: false });
  const all = await Promise.all([exec.get(), exec.get(), exec.get()]);
  assert.deepEqual(
    all.map(({ token }) => token),
    ["t1", "t1", "t1"],
  );
  await clock.advance(45_000);
  assert.equal((await exec.get()).token, "t1");
  await clock.advance(6000);
  assert.equal((await exec.get()).token, "t2");
  exec.forget();
  assert.equal((await exec.get()).token, "t3");
  assert.equal((await runs()).length, 3);
});

test("the plugin is told of the cluster when it asks for it, and gets its environment", async () => {
  const { config, runs } = await plugin(`print({ token: process.env.EXTRA })`, {
    env: { EXTRA: "from-env" },
    provideClusterInfo: true,
    clusterExtension: { audience: "x" },
  });
  const exec = new ExecPlugin(config, {
    clock: new FakeClock(),
    log: silentLogger,
    cluster: { ...cluster, tlsServerName: "name", insecureSkipTlsVerify: true, proxyUrl: "http://p" },
    terminal: true,
  });
  assert.equal((await exec.get()).token, "from-env");
  const [info = ""] = await runs();
  assert.deepEqual(JSON.parse(info), {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      cluster: {
        server: "https://x",
        "tls-server-name": "name",
        "insecure-skip-tls-verify": true,
        "certificate-authority-data": Buffer.from("CA").toString("base64"),
        "proxy-url": "http://p",
        config: { audience: "x" },
      },
    },
  });
});

test("what goes wrong is said, without the output", async (t) => {
  for (const [name, body, more, message] of [
    [
      "not installed",
      "",
      { command: "no-such-plugin", installHint: "brew install it" },
      /no-such-plugin is not installed\nbrew install it/,
    ],
    ["exit code", `console.error("please log in"); process.exit(3)`, {}, /failed with exit code 3: please log in/],
    ["no JSON", `console.log("s3cret")`, {}, /printed no JSON/],
    ["no token", `print({})`, {}, /neither a token nor a client certificate/],
    ["half a pair", `print({ clientCertificateData: "s3cret" })`, {}, /without its key/],
    ["no date", `print({ token: "s3cret", expirationTimestamp: "soon" })`, {}, /status\.expirationTimestamp/],
    [
      "another version",
      `print({ token: "s3cret" })`,
      { apiVersion: "client.authentication.k8s.io/v1beta1" },
      /v1beta1 was asked for/,
    ],
    ["no terminal", "", { interactiveMode: "Always" }, /needs a terminal/],
  ] as const) {
    await t.test(name, async () => {
      const { config } = await plugin(body, more);
      const exec = new ExecPlugin(config, { clock: new FakeClock(), log: silentLogger, cluster, terminal: false });
      await assert.rejects(exec.get(), (error) => {
        assert.ok(error instanceof Error && "kind" in error && error.kind === "Unauthorized", String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret/);
        return true;
      });
    });
  }
});

test("a refused token is renewed once, for all calls that met it", async () => {
  let valid = "t1";
  await using server = await startFaultServer((request, response) => {
    if (request.headers.authorization === `Bearer ${valid}`) answer(response, 200, {});
    else answer(response, 401, { kind: "Status", reason: "Unauthorized", code: 401 });
  });
  const { config, runs } = await plugin(`print({ token: "t" + run })`);
  const client = createKubeClient({
    server: server.url,
    certificateAuthority: { data: server.authority.certificate },
    namespace: "default",
    user: { exec: config, impersonate: { user: "jane", groups: ["a", "b"], extra: {} } },
  });
  await client.getRaw("/version");
  valid = "t2";
  await Promise.all(Array.from({ length: 10 }, () => client.getRaw("/version")));
  assert.equal((await runs()).length, 2);
  valid = "never";
  await assert.rejects(client.getRaw("/version"), { kind: "Unauthorized", httpStatus: 401 });
  assert.equal((await runs()).length, 3);
  await client.close();
});
