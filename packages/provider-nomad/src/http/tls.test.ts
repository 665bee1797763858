// Nomad's API over TLS, as a cluster that verifies its clients has it: authority, certificate, name, and tokens that are renewed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, describe, it } from "node:test";
import { TLSSocket } from "node:tls";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority } from "@virtual-kubelet/virtual-kubelet/testing";
import { WebSocketServer } from "ws";
import { parseNomadConfig } from "../config.ts";
import { clientOf } from "../nomad-provider.ts";

const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-nomad-tls-"));
const write = async (name: string, text: string): Promise<string> => {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
};
const authority = createAuthority("nomad-ca");
const server = authority.issue({ commonName: "server.global.nomad", dnsNames: ["server.global.nomad"] });
const client = authority.issue({ commonName: "client.global.nomad" });
const caFile = await write("ca.pem", authority.certificate);
const certFile = await write("client.pem", client.certificate);
const keyFile = await write("client.key", client.key);
const stranger = await write("other.pem", createAuthority("another").certificate);

const seen: string[] = [];
const nomad = createServer(
  { cert: server.certificate, key: server.key, ca: authority.certificate, requestCert: true, rejectUnauthorized: true },
  (request, response) => {
    seen.push(`${subjectOf(request)} ${String(request.headers["x-nomad-token"])}`);
    response.end('"127.0.0.1:4647"');
  },
);
const sockets = new WebSocketServer({ server: nomad });
sockets.on("connection", (socket, request) => {
  seen.push(`${subjectOf(request)} ${String(request.headers["x-nomad-token"])}`);
  socket.send(JSON.stringify({ exited: true, result: { exit_code: 3 } }));
});
nomad.listen(0, "127.0.0.1");
await once(nomad, "listening");
after(async () => {
  sockets.close();
  nomad.close();
  nomad.closeAllConnections();
  await rm(directory, { recursive: true });
});

function subjectOf({ socket }: IncomingMessage): string {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : "";
}

const context = { signal: new AbortController().signal, log: silentLogger };
const bound = nomad.address();
const address = `https://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
const whole = { caFile, certFile, keyFile, serverName: "server.global.nomad" };

async function leader(tls: object): Promise<string> {
  await using asked = clientOf(parseNomadConfig({ address, tls }, {}));
  return await asked.leader(context);
}

describe("Nomad over TLS", () => {
  it("knows its client by certificate, calls and commands, with the token of now", async () => {
    const tokenFile = await write("token", "one\n");
    await using asked = clientOf(parseNomadConfig({ address, tokenFile, tls: whole }, {}));
    await asked.leader(context);
    await write("token", "two\n");
    await asked.leader(context);
    const io = { stdout: new PassThrough(), tty: false };
    const ended = await asked.exec({ allocation: "a", task: "t" }, ["x"], io, context);
    assert.equal(ended.exitCode, 3);
    assert.deepEqual(
      seen,
      ["one", "two", "two"].map((token) => `client.global.nomad ${token}`),
    );
  });

  it("is told by Nomad's own variables", async () => {
    const env = {
      ...{ NOMAD_ADDR: address, NOMAD_CACERT: caFile, NOMAD_CLIENT_CERT: certFile, NOMAD_CLIENT_KEY: keyFile },
      NOMAD_TLS_SERVER_NAME: "server.global.nomad",
    };
    await using asked = clientOf(parseNomadConfig({}, env));
    assert.equal(await asked.leader(context), "127.0.0.1:4647");
  });

  const faults: readonly (readonly [string, object, RegExp])[] = [
    ["of another authority", { ...whole, caFile: stranger }, /certificate/],
    ["of another name", { ...whole, serverName: "" }, /IP: 127\.0\.0\.1|altnames/],
    [
      "that wants a certificate",
      { ...whole, certFile: "", keyFile: "" },
      /certificate required|alert|ECONNRESET|closed/,
    ],
    ["whose file is not there", { ...whole, caFile: join(directory, "none") }, /tls\.caFile: cannot read/],
  ];
  for (const [what, tls, message] of faults)
    it(`is not spoken to: one ${what}`, () => assert.rejects(leader(tls), { kind: "Unavailable", message }));

  it("is spoken to again when certificates were renewed", async () => {
    const old = createAuthority("old-ca").issue({ commonName: "client.global.nomad" });
    const files = {
      certFile: await write("renewed.pem", old.certificate),
      keyFile: await write("renewed.key", old.key),
    };
    await using asked = clientOf(parseNomadConfig({ address, tls: { ...whole, ...files } }, {}));
    await assert.rejects(asked.leader(context), { kind: "Unavailable" });
    await write("renewed.pem", client.certificate);
    await write("renewed.key", client.key);
    assert.equal(await asked.leader(context), "127.0.0.1:4647");
  });

  it("is spoken to without proof only where that is said", async () => {
    assert.equal(await leader({ certFile, keyFile, skipVerify: true }), "127.0.0.1:4647");
  });
});
