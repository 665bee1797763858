import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isErrorKind, silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority } from "@virtual-kubelet/virtual-kubelet/testing";
import { type EngineScript, respond, ScriptedEngine } from "../testing/scripted-engine.ts";
import { connectEngine } from "./connect.ts";
import type { EngineClient } from "./engine-client.ts";
import { SshAgent } from "./ssh-agent.ts";

interface Bench {
  readonly engine: ScriptedEngine;
  readonly client: EngineClient;
  readonly options: { readonly signal: AbortSignal };
}

async function serve(t: TestContext, script: EngineScript): Promise<Bench> {
  const engine = await ScriptedEngine.start(script);
  const client = connectEngine({ type: "unix", path: engine.path }, { log: silentLogger });
  t.after(async () => {
    client[Symbol.dispose]();
    await engine[Symbol.asyncDispose]();
  });
  return { engine, client, options: { signal: AbortSignal.timeout(120_000) } };
}

const of =
  (kind: Parameters<typeof isErrorKind>[1], text = /./) =>
  (error: unknown): boolean =>
    isErrorKind(error, kind) && error instanceof VirtualKubeletError && text.test(error.message);

async function textOf(from: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const chunk of from) text += String(chunk);
  return text;
}

test("answers that are not as they should be are Unavailable, and name the call", async (t) => {
  const bodies = ["", "no JSON", "[]", '{"Id":7}', "null"];
  const { client, options } = await serve(t, {
    answer: (request, response) => {
      if (!request.startsWith("POST /containers/create")) return false;
      response.writeHead(201).end(bodies.shift() ?? '{"Id":"done"}');
      return true;
    },
  });
  const create = (): Promise<string> =>
    client.createContainer("a", { Image: "x", Labels: {}, HostConfig: {} }, options);
  for (let left = bodies.length; left > 0; left -= 1)
    await assert.rejects(create(), of("Unavailable", /POST \/v1\.41\/containers\/create is not understood/));
  assert.equal(await create(), "done");
});

test("names lead to no other path", async (t) => {
  const { engine, client, options } = await serve(t, {});
  for (const id of ["..", ".", ""]) await assert.rejects(client.killContainer(id, "KILL", options), of("Invalid"));
  await client.killContainer("../images/a?x=1#y", "KILL", options);
  assert.deepEqual(engine.asked, ["POST /containers/..%2Fimages%2Fa%3Fx%3D1%23y/kill?signal=KILL"]);
  for (const name of ["../containers/a", "a/../b", "/a", "a//b", "a?b", "a b", ""])
    await assert.rejects(client.inspectImage(name, options), of("Invalid"));
});

test("a connection that the engine drops between two calls is not noticed", async (t) => {
  const { engine, client, options } = await serve(t, {
    answer: (request, response) => request === "GET /images/json" && respond(response, 200, []),
  });
  for (let count = 0; count < 3; count += 1) {
    assert.deepEqual(await client.listImages(options), []);
    engine.drop();
  }
});

test("a call whose caller has gone is broken off, also while its answer comes", async (t) => {
  const { client } = await serve(t, {
    answer: (request, response) => {
      if (request === "GET /images/json") response.writeHead(200).write("[");
      return true;
    },
  });
  for (const call of ["listImages", "ping"] as const) {
    const gone = new AbortController();
    const waiting = client[call]({ signal: gone.signal });
    setTimeout(() => gone.abort(), 50);
    await assert.rejects(waiting, of("Aborted"));
    await assert.rejects(client[call]({ signal: gone.signal }), (error) => isErrorKind(error, "Aborted"));
  }
});

test("an answer that breaks off is Unavailable", async (t) => {
  const { client, options } = await serve(t, {
    answer: (_request, response) => {
      response.writeHead(200, { "Content-Length": 100 }).write("[");
      setTimeout(() => response.destroy(), 20);
      return true;
    },
  });
  await assert.rejects(client.listImages(options), of("Unavailable"));
  await assert.rejects(client.pullImage("a:1", undefined, options), of("Unavailable"));
});

test("without an engine every call is Unavailable; the next finds it", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "no-engine-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const client = connectEngine({ type: "unix", path: join(directory, "none.sock") }, { log: silentLogger });
  const options = { signal: AbortSignal.timeout(120_000) };
  await assert.rejects(client.info(options), of("Unavailable", /unix:.*none\.sock cannot be reached: .*ENOENT/));
  await assert.rejects(client.attach("a", { stdin: false, tty: false }, options), of("Unavailable"));
  await assert.rejects(client.events([], options)[Symbol.asyncIterator]().next(), of("Unavailable"));
});

test("so many creates, starts and removals at a time, and no more", async (t) => {
  const open: ServerResponse[] = [];
  let most = 0;
  const { engine } = await serve(t, {
    answer: (_request, response) => {
      most = Math.max(most, open.push(response));
      // When as many as may be are there, others have time to come all the same.
      if (open.length === 3)
        setTimeout(() => {
          for (const each of open.splice(0)) each.writeHead(204).end();
        }, 20);
      return true;
    },
  });
  const client = connectEngine({ type: "unix", path: engine.path }, { log: silentLogger, parallelCalls: 3 });
  const options = { signal: AbortSignal.timeout(120_000) };
  await Promise.all(Array.from({ length: 12 }, (_, index) => client.startContainer(`c${index}`, options)));
  assert.equal(most, 3);
  client[Symbol.dispose]();
});

test("a pull fails by what the stream says, whatever its status said", async (t) => {
  const headers: unknown[] = [];
  let lines: readonly string[] = [];
  const { engine, client, options } = await serve(t, {
    answer: (_request, response, { headers: got }) => {
      headers.push(got["x-registry-auth"]);
      response.writeHead(200);
      for (const line of lines) response.write(line);
      response.end();
      return true;
    },
  });
  const auth = { username: "ü>?", password: "p", serveraddress: "r" };
  lines = ['{"status":"Pulling"}\n{"sta', 'tus":"done"}\r\n', "no JSON\n"];
  await client.pullImage("r/x", auth, options);
  assert.equal(engine.asked.at(-1), "POST /images/create?fromImage=r%2Fx%3Alatest");
  assert.deepEqual(JSON.parse(Buffer.from(String(headers[0]), "base64url").toString()), auth);
  lines = ['{"status":"Pulling"}\n', '{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}'];
  await assert.rejects(client.pullImage("r/x@sha256:00", undefined, options), of("NotFound", /^manifest unknown$/));
  assert.equal(headers[1], undefined);
  lines = ['{"error":"unauthorized: authentication required"}\n'];
  await assert.rejects(client.pullImage("r/x:1", auth, options), of("Unauthorized"));
});

test("events of Docker: only of containers with the labels; the end of the stream is an error", async (t) => {
  const event = (Type: string, Action: string, Attributes: object): string =>
    `${JSON.stringify({ Type, Action, Actor: { ID: Action, Attributes } })}\n`;
  const { client, options } = await serve(t, {
    answer: (_request, response) => {
      response.writeHead(200);
      response.write(event("container", "died", { a: "1", b: "2" }));
      response.write(event("container", "start", { a: "1" }));
      response.write(event("image", "pull", { a: "1", b: "2" }));
      response.write("{}\n");
      response.end(event("container", "remove", { a: "1", b: "2" }));
      return true;
    },
  });
  const actions: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { action } of client.events(["a=1", "b"], options)) actions.push(action);
    },
    of("Unavailable", /ended/),
  );
  assert.deepEqual(actions, ["die", "destroy"]);
});

test("Docker is asked by Docker's words, Podman by its own", async (t) => {
  const details = {
    ...{ Id: "a", Name: "/n", Created: "2026-01-02T03:04:05.6Z", Image: "abc", Config: { Image: "i", Labels: null } },
    State: { Status: "stopping", Running: false, Pid: 7, ExitCode: 0, StartedAt: "0001-01-01T00:00:00Z" },
    NetworkSettings: { Networks: { x: null, y: { IPAddress: "10.0.0.1", GlobalIPv6Address: "fd00::1" } } },
  };
  for (const flavour of ["docker", "podman"] as const) {
    const { engine, client, options } = await serve(t, {
      flavour,
      answer: (request, response) => request.endsWith("/containers/a/json") && respond(response, 200, details),
    });
    const found = await client.inspectContainer("a", options);
    assert.deepEqual(
      [found.name, found.imageID, found.createdAt, found.startedAt, found.running, found.addresses],
      ["n", "sha256:abc", Date.parse("2026-01-02T03:04:05.6Z"), undefined, true, ["10.0.0.1", "fd00::1"]],
    );
    assert.equal(
      engine.asked.at(-1),
      flavour === "podman" ? "GET /libpod/containers/a/json" : "GET /containers/a/json",
    );
  }
});

test("a connection that is given over carries both ways, half closed, at the reader's pace", async (t) => {
  const frame = (type: number, text: string): Buffer => {
    const header = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  let body = "";
  let written = 0;
  const { client, options } = await serve(t, {
    upgrade: async (_request, socket, sent) => {
      body = await sent;
      const input = await textOf(socket);
      socket.write(frame(2, `got ${input.length}`));
      // More than any buffer on the way holds.
      for (let count = 0; count < 400; count += 1) {
        const full = !socket.write(frame(1, "x".repeat(50_000)));
        written += 1;
        if (full) await once(socket, "drain");
      }
      socket.end();
    },
  });
  const stream = await client.startExec("e", { tty: false }, options);
  stream.stdin.end("y".repeat(500_000));
  assert.equal(String((await once(stream.stderr, "data"))[0]), "got 500000");
  // Nobody reads stdout: the engine is held back long before it has written all.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(written < 300, `${written} pieces of 400`);
  stream.stderr.resume();
  assert.equal((await textOf(stream.stdout)).length, 20_000_000);
  assert.deepEqual(JSON.parse(body), { Detach: false, Tty: false });
});

test("a connection that is refused has the engine's reason", async (t) => {
  const { client, options } = await serve(t, {
    answer: (_request, response) => respond(response, 409, { message: "container is not running" }),
  });
  await assert.rejects(client.attach("a", { stdin: true, tty: false }, options), of("Conflict", /not running/));
});

test("output that is no pieces breaks the connection, and says so", async (t) => {
  const { client, options } = await serve(t, {
    upgrade: async (_request, socket) => {
      socket.write("hello, world");
    },
  });
  const stream = await client.attach("a", { stdin: true, tty: false }, options);
  await assert.rejects(textOf(stream.stdout), of("Unavailable"));
});

test("over TCP by TLS with certificates of both sides", async (t) => {
  const authority = createAuthority("engines");
  const serving = authority.issue({ commonName: "engine", ipAddresses: ["127.0.0.1"] });
  const ours = authority.issue({ commonName: "us" });
  const server = createTlsServer(
    {
      ca: authority.certificate,
      cert: serving.certificate,
      key: serving.key,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_request, response) => response.end("[]"),
  ).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const place = { type: "tcp", host: "127.0.0.1", port: address.port } as const;
  const tls = { ca: authority.certificate, cert: ours.certificate, key: ours.key };
  const options = { signal: AbortSignal.timeout(120_000) };
  const good = connectEngine({ ...place, tls }, { log: silentLogger });
  assert.deepEqual(await good.listImages(options), []);
  good[Symbol.dispose]();
  const stranger = createAuthority("others");
  const foreign = stranger.issue({ commonName: "us" });
  for (const other of [
    { ...tls, ca: stranger.certificate },
    { ...tls, cert: foreign.certificate, key: foreign.key },
  ]) {
    const bad = connectEngine({ ...place, tls: other }, { log: silentLogger });
    await assert.rejects(bad.listImages(options), of("Unavailable"));
    bad[Symbol.dispose]();
  }
});

test("over ssh by the system's client: its words are the reason when it fails", async (t) => {
  const { engine } = await serve(t, { answer: (_request, response) => respond(response, 200, []) });
  const directory = mkdtempSync(join(tmpdir(), "fake-ssh-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const command = join(directory, "ssh");
  const fake = (script: string): void => {
    writeFileSync(command, `#!/bin/sh\n${script}\n`);
    chmodSync(command, 0o755);
  };
  const bridge = `const s=require("net").connect(process.env.ENGINE??${JSON.stringify(engine.path)});process.stdin.pipe(s).pipe(process.stdout)`;
  fake(`exec '${process.execPath}' -e '${bridge}'`);
  const agent = new SshAgent({ type: "ssh", host: "engine", port: 22, username: "" }, { keepAlive: true }, command);
  const ask = async (body = ""): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    httpRequest({ agent, host: "engine", path: "/images/json" }, (response) => resolve(textOf(response)))
      .once("error", reject)
      .end(body);
    return promise;
  };
  // The second goes over the same connection.
  assert.equal(await ask(), "[]");
  assert.equal(await ask(), "[]");
  agent.destroy();
  fake("echo 'Host key verification failed.' >&2; exit 255");
  // More than the pipe takes: it breaks before ssh has said why.
  for (const body of ["", "x".repeat(1_000_000)])
    await assert.rejects(ask(body), /ssh failed: Host key verification failed\./);
  agent.destroy();
});

test("a grace is as long as it was promised, also when the clock is set back", async (t) => {
  const killed = Promise.withResolvers<void>();
  const { engine, client, options } = await serve(t, {
    answer: (request, response) => {
      if (request === "GET /containers/a/json")
        return respond(response, 200, {
          ...{ Id: "a", Name: "/a", Created: "2026-01-01T00:00:00Z", Image: "sha256:1", Config: {} },
          State: { Status: "running", Running: true, Pid: 7, ExitCode: 0 },
        });
      if (request.endsWith("=KILL")) killed.resolve();
      if (request.includes("/kill")) return respond(response, 200, {});
      if (!request.includes("/wait")) return false;
      void killed.promise.then(() => respond(response, 200, { StatusCode: 137 }));
      return true;
    },
  });
  const began = Date.now();
  // From the first look at it on.
  let offset = 0;
  t.mock.method(Date, "now", () => began + offset);
  const stopped = client.stopContainer("a", 0.3, options);
  offset = -3_600_000;
  await stopped;
  assert.deepEqual(
    engine.asked.filter((request) => request.includes("/kill")),
    ["POST /containers/a/kill?signal=TERM", "POST /containers/a/kill?signal=KILL"],
  );
});
