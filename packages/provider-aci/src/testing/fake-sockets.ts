// Sessions of the fake: exec and attach over WebSockets, with the cloud's odd manners.
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { PassThrough, Writable } from "node:stream";
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import { type WebSocket, WebSocketServer } from "ws";
import type { FakeReply } from "./fake-refusal.ts";

interface Session {
  readonly password: string;
  readonly running: RunningGroup;
  readonly container: string;
  /** Absent: attach. */
  readonly command?: string | undefined;
  readonly size: { readonly width: number; readonly height: number };
}

export class FakeSockets implements AsyncDisposable {
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #sessions = new Map<string, Session>();
  readonly #ends = new AbortController();

  /** Sessions that are open. */
  get open(): number {
    return this.#server.clients.size;
  }

  /** `host`: with its port, as the caller reaches it. */
  offer(host: string, session: Omit<Session, "password">): FakeReply {
    const id = randomBytes(8).toString("hex");
    const password = randomBytes(16).toString("base64url");
    this.#sessions.set(id, { ...session, password });
    const isExec = session.command !== undefined;
    return {
      status: 200,
      body: { webSocketUri: `wss://${host}/sessions/${id}?rows=${session.size.height}`, password },
      model: isExec ? "ContainerExecResponse" : "ContainerAttachResponse",
    };
  }

  /** Each address is good once. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const id = /^\/sessions\/([0-9a-f]+)\?/.exec(request.url ?? "")?.[1] ?? "";
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    const isRefused = session?.command === undefined && request.headers.authorization !== session?.password;
    if (session === undefined || isRefused) {
      socket.on("error", () => {});
      socket.end(
        `HTTP/1.1 ${session === undefined ? "404 Not Found" : "401 Unauthorized"}\r\nConnection: close\r\n\r\n`,
      );
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => {});
      if (session.command === undefined) this.#attach(client, session);
      else this.#awaitPassword(client, session, session.command);
    });
  }

  /** The first message is the password, as a text; nothing else is listened to before. */
  #awaitPassword(client: WebSocket, session: Session, command: string): void {
    client.once("message", (data, isBinary) => {
      if (isBinary || String(data) !== session.password) client.close(1008, "wrong password");
      else this.#exec(client, session, command);
    });
  }

  /** One program without arguments: blanks are part of its name. All output is one stream; nobody tells the exit code. */
  #exec(client: WebSocket, { running, container, size }: Session, command: string): void {
    const stdin = new PassThrough();
    const end = this.#endOf(client, () => stdin.end());
    client.on("message", (data) => {
      if (Buffer.isBuffer(data)) stdin.write(data);
    });
    const resize = (async function* () {
      yield size;
    })();
    const stdout = outputOf(client);
    const io = { stdin, stdout, tty: true, resize };
    running.exec(container, [command], io, end).then(
      // Behind what was written.
      () => stdout.end(() => client.close(1000)),
      (error: unknown) => {
        client.send(Buffer.from(`exec failed: ${errorText(error)}\r\n`));
        client.close(1000);
      },
    );
  }

  #attach(client: WebSocket, { running, container }: Session): void {
    const end = this.#endOf(client, () => {});
    running.attach(container, { stdout: outputOf(client), stderr: outputOf(client), tty: false }, end).then(
      () => client.close(1000),
      () => client.close(1011),
    );
  }

  #endOf(client: WebSocket, onClose: () => void): AbortSignal {
    const end = new AbortController();
    client.once("close", () => {
      onClose();
      end.abort();
    });
    return AbortSignal.any([end.signal, this.#ends.signal]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends.abort();
    for (const client of this.#server.clients) client.terminate();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

function outputOf(client: WebSocket): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      client.send(chunk, { binary: true }, () => done());
    },
  });
}
