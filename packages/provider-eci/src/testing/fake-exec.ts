// Commands in containers of the fake: answered with their output, or over a WebSocket. What passes over the vendor's socket is not
// described anywhere; here it is bytes, of all output in one stream, without an exit code.
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { PassThrough, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { type Clock, errorText } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import { type WebSocket, WebSocketServer } from "ws";
import type { FakeGroup } from "./fake-group.ts";
import { incorrectStatus, invalid } from "./fake-refusal.ts";

export interface ExecQuery {
  readonly ContainerName: string;
  readonly Command: string;
  readonly TTY?: boolean | undefined;
  readonly Stdin?: boolean | undefined;
  readonly Sync?: boolean | undefined;
}

interface Session {
  readonly running: RunningGroup;
  readonly container: string;
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Epoch milliseconds. */
  readonly until: number;
}

const mostWords = 20;
const longestWord = 256;
const goodForMs = 30_000;

export class FakeExec implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #sessions = new Map<string, Session>();
  readonly #ends = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sessions that are open. */
  get open(): number {
    return this.#server.clients.size;
  }

  /** `base`: of the fake's WebSockets, `wss://127.0.0.1:port`. Throws what the cloud refuses with. */
  async run(group: FakeGroup, query: ExecQuery, base: string): Promise<object> {
    const { ContainerName: name, TTY: tty = false, Stdin: stdin = true, Sync = false } = query;
    const container = group.container(name);
    if (container === undefined) throw invalid("ContainerName", `there is no container ${name} in ${group.id}`);
    const command = words(query.Command);
    const { running } = group;
    if (running === undefined || !container.isRunning)
      throw incorrectStatus(`The container ${name} of ${group.id} does not run.`);
    if (Sync) {
      if (tty) throw invalid("TTY", "it must be false where Sync is true");
      return { SyncResponse: await this.#output(running, name, command) };
    }
    const id = randomBytes(16).toString("base64url");
    this.#sessions.set(id, { running, container: name, command, tty, stdin, until: this.#clock.now() + goodForMs });
    return { WebSocketUri: `${base}/exec/?s=${id}`, HttpUrl: `https://console.invalid/terminal?param=${id}` };
  }

  /** Each address is good once. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
    const id = pathname === "/exec/" ? (searchParams.get("s") ?? "") : "";
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    if (session === undefined || session.until < this.#clock.now()) {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => {});
      this.#serve(client, session);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends.abort();
    for (const client of this.#server.clients) client.terminate();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #serve(client: WebSocket, { running, container, command, tty, stdin: hasStdin }: Session): void {
    const stdin = new PassThrough();
    const stdout = outputOf(client);
    const end = new AbortController();
    client.on("message", (data) => {
      if (Buffer.isBuffer(data)) stdin.write(data);
    });
    client.once("close", () => {
      stdin.end();
      end.abort();
    });
    const streams = tty ? { stdout } : { stdout, stderr: stdout };
    const io = { ...streams, ...(hasStdin && { stdin }), tty };
    running.exec(container, command, io, AbortSignal.any([end.signal, this.#ends.signal])).then(
      // Behind what was written.
      () => stdout.end(() => client.close(1000)),
      (error: unknown) => {
        client.send(Buffer.from(`exec failed: ${errorText(error)}\r\n`));
        client.close(1000);
      },
    );
  }

  async #output(running: RunningGroup, container: string, command: readonly string[]): Promise<string> {
    const output = new PassThrough();
    const whole = text(output);
    const signal = AbortSignal.any([this.#ends.signal, AbortSignal.timeout(goodForMs)]);
    try {
      await running.exec(container, command, { stdout: output, stderr: output, tty: false }, signal);
    } finally {
      output.end();
    }
    return await whole;
  }
}

/** A list in JSON, or one word as it is. */
function words(command: string): readonly string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(command);
  } catch {
    parsed = [command];
  }
  const list: readonly unknown[] = Array.isArray(parsed) ? parsed : [command];
  if (list.length > mostWords) throw invalid("Command", `${list.length} words are more than ${mostWords}`);
  return list.map((word) => {
    if (typeof word !== "string") throw invalid("Command", "it must be a list of texts");
    if (word.length > longestWord)
      throw invalid("Command", `a word of ${word.length} characters; at most ${longestWord}`);
    return word;
  });
}

function outputOf(client: WebSocket): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      client.send(chunk, { binary: true }, () => done());
    },
  });
}
