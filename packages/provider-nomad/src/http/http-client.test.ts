// The client on the wire, against a server that answers what a test says: addresses, pages, errors, streams, commands.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { WebSocketServer } from "ws";
import { HttpNomadClient } from "./http-client.ts";

type Answer = (url: URL, response: ServerResponse, body: string) => void;

let answer: Answer = (_url, response) => response.end("null");
const seen: { method: string; url: URL; headers: IncomingMessage["headers"]; body: string }[] = [];
const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk: string) => {
    body += chunk;
  });
  request.on("end", () => {
    const url = new URL(request.url ?? "/", "http://x");
    seen.push({ method: request.method ?? "", url, headers: request.headers, body });
    answer(url, response, body);
  });
});
const sockets = new WebSocketServer({ server });
let client: HttpNomadClient;
const context = { signal: new AbortController().signal, log: silentLogger };

before(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address: AddressInfo | string | null = server.address();
  assert.ok(typeof address === "object" && address !== null);
  client = new HttpNomadClient({
    ...{ address: `http://127.0.0.1:${address.port}`, region: "eu", namespace: "team", basicAuth: "" },
    token: async () => "s3cret",
    tls: { caFile: "", caPath: "", certFile: "", keyFile: "", serverName: "", skipVerify: false },
  });
});
after(async () => {
  await client[Symbol.asyncDispose]();
  sockets.close();
  server.closeAllConnections();
  server.close();
});

const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
};
const stub = (ID: string): object => ({
  ...{ ID, Name: ID, Type: "batch", Status: "running", Stop: false, ModifyIndex: 1, Meta: null },
});

describe("calls", () => {
  it("name region, namespace and token, and take all pages", async () => {
    answer = (url, response) =>
      url.searchParams.get("next_token") === "b"
        ? json(response, [stub("b")])
        : json(response, [stub("a")], { "x-nomad-nexttoken": "b" });
    seen.length = 0;
    const jobs = await client.listJobs({ filter: 'Meta["x"] == "y"' }, context);
    assert.deepEqual(
      jobs.map(({ ID }) => ID),
      ["a", "b"],
    );
    const [first] = seen;
    assert.equal(first?.url.pathname, "/v1/jobs");
    assert.deepEqual(
      ["region", "namespace", "filter", "meta"].map((name) => first?.url.searchParams.get(name)),
      ["eu", "team", 'Meta["x"] == "y"', "true"],
    );
    assert.equal(first?.headers["x-nomad-token"], "s3cret");
  });

  it("stop a job with all that it has", async () => {
    const job = { ID: "j", Meta: { a: "1" }, JobModifyIndex: 7, TaskGroups: [{ Name: "pod", Odd: true }], Stop: false };
    answer = (url, response) => json(response, url.pathname === "/v1/job/j" ? job : { EvalID: "e" });
    await client.stopJob("j", { b: "2" }, context);
    const sent: unknown = JSON.parse(seen.at(-1)?.body ?? "");
    assert.deepEqual(sent, {
      ...{ EnforceIndex: true, JobModifyIndex: 7 },
      Job: { ...job, Stop: true, Meta: { a: "1", b: "2" } },
    });
  });

  const errors = [
    [404, "job not found", "NotFound"],
    [404, "404 page not found", "Unavailable"],
    [404, "<html>404 Not Found</html>", "Unavailable"],
    [500, 'Unknown allocation "a"', "NotFound"],
    [500, "no servers found", "Unavailable"],
    [403, "Permission denied", "Forbidden"],
    [403, "ACL token not found", "Unauthorized"],
    [429, "too many", "Throttled"],
    [500, "No cluster leader", "Unavailable"],
    [500, "Enforcing job modify index 0: job exists with conflicting job modify index: 7", "Conflict"],
    [500, "1 error occurred:\n\t* Task group pod validation failed", "Invalid"],
    [400, "missing Job", "Invalid"],
    [502, "", "Unavailable"],
  ] as const;
  for (const [status, text, kind] of errors)
    it(`take ${status} ${JSON.stringify(text)} for ${kind}`, async () => {
      answer = (_url, response) => response.writeHead(status, { "retry-after": "3" }).end(text);
      await assert.rejects(client.leader(context), (error) => {
        assert.ok(error instanceof VirtualKubeletError);
        assert.equal(error.kind, kind);
        assert.equal(error.retryAfterMs, 3000);
        assert.ok(!error.message.includes("s3cret"));
        return true;
      });
    });

  it("take a task that has no state yet for one that waits", async () => {
    const main = { State: "", Failed: false, Restarts: 0, StartedAt: null, FinishedAt: null, Events: null };
    const ids = {
      ID: "a",
      JobID: "vk-u",
      NodeID: "n",
      TaskGroup: "pod",
      CreateIndex: 1,
      ModifyIndex: 1,
      CreateTime: 1,
    };
    const statuses = { DesiredStatus: "run", ClientStatus: "pending" };
    answer = (_url, response) => json(response, [{ ...ids, ...statuses, TaskStates: { main } }]);
    const [found] = await client.jobAllocations("vk-u", context);
    assert.equal(found?.TaskStates?.["main"]?.State, "pending");
  });

  it("take what is of another shape for no answer", async () => {
    answer = (_url, response) => json(response, [{ ID: 7 }]);
    await assert.rejects(client.listNodes({}, context), { kind: "Unavailable", message: /no nodes: 0\.ID/ });
  });
});

describe("streams", () => {
  it("of events come in batches, cut anywhere, and break with an error", async () => {
    const text = [
      "{}",
      JSON.stringify({
        Index: 9,
        Events: [
          {
            Topic: "Allocation",
            Type: "AllocationUpdated",
            Key: "a",
            Index: 9,
            Payload: { Allocation: { JobID: "vk-1" } },
          },
          { Topic: "Job", Type: "JobRegistered", Key: "vk-2", Index: 9, Payload: { Job: { ID: "vk-2" } } },
        ],
      }),
      "",
    ].join("\n");
    answer = (_url, response) => {
      response.write(text.slice(0, 40));
      setImmediate(() => response.end(text.slice(40)));
    };
    const batches: unknown[] = [];
    await assert.rejects(
      async () => {
        for await (const { value, index } of client.events({ index: 5 }, context))
          batches.push([index, value.map(({ JobID }) => JobID)]);
      },
      { kind: "Unavailable" },
    );
    assert.deepEqual(batches, [[9, ["vk-1", "vk-2"]]]);
    assert.equal(seen.at(-1)?.url.searchParams.get("index"), "5");
    assert.deepEqual(seen.at(-1)?.url.searchParams.getAll("topic"), ["Allocation", "Evaluation", "Job"]);
  });

  it("of logs are bytes", async () => {
    answer = (_url, response) => response.end("one\ntwo\n");
    const request = {
      allocation: "a",
      task: "t",
      stream: "stderr",
      follow: false,
      origin: "start",
      offset: 4,
    } as const;
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.logs(request, context)) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "one\ntwo\n");
    assert.deepEqual(
      ["task", "type", "plain", "follow", "offset"].map((name) => seen.at(-1)?.url.searchParams.get(name)),
      ["t", "stderr", "true", "false", "4"],
    );
  });
});

describe("commands", () => {
  it("have both streams, input, sizes and a code", async () => {
    sockets.once("connection", (socket, request) => {
      const url = new URL(request.url ?? "/", "http://x");
      assert.equal(url.pathname, "/v1/client/allocation/a/exec");
      assert.equal(request.headers["x-nomad-token"], "s3cret");
      assert.deepEqual(JSON.parse(url.searchParams.get("command") ?? ""), ["cat", "a b"]);
      const sizes: unknown[] = [];
      let input = "";
      socket.on("message", (data) => {
        const frame: unknown = JSON.parse(String(data));
        assert.ok(typeof frame === "object" && frame !== null);
        if ("tty_size" in frame) sizes.push(frame.tty_size);
        if (!("stdin" in frame) || typeof frame.stdin !== "object" || frame.stdin === null) return;
        if ("data" in frame.stdin) input += Buffer.from(String(frame.stdin.data), "base64").toString();
        if (!("close" in frame.stdin)) return;
        const told = Buffer.from(`${input}${JSON.stringify(sizes)}`).toString("base64");
        socket.send(JSON.stringify({ stdout: { data: told } }));
        socket.send(JSON.stringify({ stderr: { data: Buffer.from("oops").toString("base64") } }));
        socket.send(JSON.stringify({ exited: true, result: { exit_code: 7 } }));
        // As Nomad does.
        socket.terminate();
      });
    });
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end("hello");
    const io = { stdin, stdout, stderr, tty: false };
    const result = await client.exec({ allocation: "a", task: "t" }, ["cat", "a b"], io, context);
    stdout.end();
    stderr.end();
    assert.deepEqual(result, { exitCode: 7 });
    assert.equal((await buffer(stdout)).toString(), "hello[]");
    assert.equal((await buffer(stderr)).toString(), "oops");
  });

  it("in a terminal have its sizes", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    sockets.once("connection", (socket) => {
      socket.on("message", (data) => {
        const frame: unknown = JSON.parse(String(data));
        if (typeof frame !== "object" || frame === null || !("tty_size" in frame)) return;
        resolve(frame.tty_size);
        socket.send(JSON.stringify({ exited: true }));
      });
    });
    const resize = (async function* () {
      yield { width: 80, height: 24 };
    })();
    const io = { stdin: new PassThrough(), stdout: new PassThrough(), tty: true, resize };
    assert.deepEqual(await client.exec({ allocation: "a", task: "t" }, ["sh"], io, context), { exitCode: 0 });
    assert.deepEqual(await promise, { height: 24, width: 80 });
  });

  it("in a terminal are not told that their input ends: Nomad would cut them off", async () => {
    const frames: unknown[] = [];
    sockets.once("connection", (socket) => {
      socket.on("message", (data) => {
        frames.push(JSON.parse(String(data)));
        setTimeout(() => socket.send(JSON.stringify({ exited: true })), 20);
      });
    });
    const stdin = new PassThrough();
    stdin.end("hello");
    const io = { stdin, stdout: new PassThrough(), tty: true };
    assert.deepEqual(await client.exec({ allocation: "a", task: "t" }, ["sh"], io, context), { exitCode: 0 });
    assert.deepEqual(frames, [{ stdin: { data: Buffer.from("hello").toString("base64") } }]);
  });

  it("that break off, or are aborted, say so", async () => {
    sockets.once("connection", (socket) => socket.close(1011, "no such program"));
    const io = { stdout: new PassThrough(), tty: false };
    await assert.rejects(client.exec({ allocation: "a", task: "t" }, ["x"], io, context), {
      ...{ kind: "Unavailable", message: /1011 no such program/ },
    });
    const end = new AbortController();
    sockets.once("connection", () => end.abort());
    const aborted = { ...context, signal: end.signal };
    await assert.rejects(client.exec({ allocation: "a", task: "t" }, ["x"], io, aborted), { kind: "Aborted" });
  });
});
