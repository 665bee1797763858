// Commands in tasks of a fake Nomad over websockets: frames of JSON with streams in base64, and the exit code at the end.
import type { IncomingMessage } from "node:http";
import { type Duplex, PassThrough, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ContainerIO } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import { type WebSocket, WebSocketServer } from "ws";
import type { FakeAcl } from "./fake-acl.ts";
import type { NomadFaults } from "./fake-faults.ts";
import type { FakeJobs } from "./fake-jobs.ts";
import { tokenOf } from "./fake-server.ts";
import { NomadRefusal } from "./refusal.ts";

type Size = { readonly width: number; readonly height: number };

const frame = v.strictObject({
  stdin: v.optional(v.strictObject({ data: v.optional(v.string()), close: v.optional(v.boolean()) })),
  tty_size: v.optional(v.strictObject({ width: v.number(), height: v.number() })),
});
const words = v.array(v.string());

export class ExecSockets {
  readonly problems: string[] = [];
  readonly #jobs: FakeJobs;
  readonly #acl: FakeAcl;
  readonly #faults: NomadFaults;
  readonly #server: WebSocketServer = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  constructor(jobs: FakeJobs, acl: FakeAcl, faults: NomadFaults) {
    this.#jobs = jobs;
    this.#acl = acl;
    this.#faults = faults;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (client) => {
      this.#serve(client, request).catch((error: unknown) => {
        // Only a server's own fault has this code.
        const code = error instanceof NomadRefusal && error.status !== 500 ? 1008 : 1011;
        client.close(code, (error instanceof Error ? error.message : String(error)).slice(0, 120));
      });
    });
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  async #serve(client: WebSocket, request: IncomingMessage): Promise<void> {
    const url = new URL(request.url ?? "/", "http://agent");
    const gone = new AbortController();
    client.once("close", () => gone.abort());
    client.on("error", () => gone.abort());
    const input = frames(client, this.problems);
    this.#acl.check(tokenOf(request), "alloc-exec");
    await this.#faults.before("exec", gone.signal);
    const [, id = ""] = /^\/v1\/client\/allocation\/([^/]+)\/exec$/.exec(url.pathname) ?? [];
    const allocation = this.#jobs.allocations.find((each) => each.id === id);
    if (allocation === undefined) throw new NomadRefusal(404, `Unknown allocation "${id}"`);
    const command = v.parse(words, JSON.parse(url.searchParams.get("command") ?? "[]"));
    if (command.length === 0) throw new NomadRefusal(400, "command is not present");
    const task = allocation.task(url.searchParams.get("task") ?? "");
    if (task === undefined) throw new NomadRefusal(500, "task not found");
    if (!task.hasStarted) throw new NomadRefusal(404, `task "${task.name}" not started yet.`);
    const group = task.running;
    if (group === undefined) throw new NomadRefusal(404, `task "${task.name}" is not running.`);
    const tty = url.searchParams.get("tty") === "true";
    const [stdout, stderr] = [output(client, "stdout"), output(client, "stderr")];
    const io: ContainerIO = { tty, stdin: input.stdin, stdout, ...(tty ? { resize: input.sizes } : { stderr }) };
    const ended = this.#faults.stream(() => client.terminate());
    try {
      // A terminal whose input is closed hangs up: its command and what it wrote are lost.
      if (tty) void input.closed.then(() => client.terminate());
      const code = await group.exec(task.name, command, io, gone.signal);
      // Programs of the host are waited for until their input is closed.
      if (task.task.Driver === "raw_exec" && !tty) await input.closed;
      await Promise.all([stdout, ...(tty ? [] : [stderr])].map((stream) => finished(stream.end())));
      client.send(JSON.stringify({ exited: true, result: code === 0 ? {} : { exit_code: code } }), () =>
        // Nobody says goodbye.
        client.terminate(),
      );
    } finally {
      ended();
    }
  }
}

/** What the caller types and how large its terminal is. */
function frames(
  client: WebSocket,
  problems: string[],
): { readonly stdin: PassThrough; readonly sizes: AsyncIterable<Size>; readonly closed: Promise<void> } {
  const stdin = new PassThrough();
  const sizes = new PassThrough({ objectMode: true });
  const closed = Promise.withResolvers<void>();
  client.on("message", (data) => {
    const found = v.safeParse(frame, JSON.parse(String(data)));
    if (!found.success) {
      problems.push(`exec: a frame that is none: ${found.issues[0].message}`);
      return;
    }
    const { stdin: typed, tty_size: size } = found.output;
    if (typed?.data !== undefined && !stdin.write(Buffer.from(typed.data, "base64"))) {
      client.pause();
      stdin.once("drain", () => client.resume());
    }
    if (size !== undefined) sizes.write(size);
    if (typed?.close !== true) return;
    stdin.end();
    closed.resolve();
  });
  client.once("close", () => {
    stdin.end();
    sizes.end();
    closed.resolve();
  });
  return { stdin, sizes, closed: closed.promise };
}

function output(client: WebSocket, stream: "stdout" | "stderr"): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (client.readyState === client.OPEN)
        client.send(JSON.stringify({ [stream]: { data: Buffer.from(chunk).toString("base64") } }), () => done());
      else done();
    },
    final: (done) => {
      if (client.readyState === client.OPEN) client.send(JSON.stringify({ [stream]: { close: true } }), () => done());
      else done();
    },
  });
}
