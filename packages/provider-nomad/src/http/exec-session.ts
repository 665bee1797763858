// A command in a task over a websocket: frames of JSON with streams in base64, both ways, and the exit code at the end.
import { once } from "node:events";
import type { Writable } from "node:stream";
import {
  type CallContext,
  type ContainerIO,
  type ExecResult,
  errorText,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import { WebSocket } from "ws";
import { nomadError, type TlsOptions } from "./nomad-http.ts";

export interface ExecSocket {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
}

const output = v.object({ data: v.optional(v.nullable(v.string())), close: v.optional(v.boolean()) });
const frame = v.object({
  stdout: v.optional(v.nullable(output)),
  stderr: v.optional(v.nullable(output)),
  exited: v.optional(v.boolean()),
  result: v.optional(v.nullable(v.object({ exit_code: v.optional(v.number()) }))),
});

const heartbeatMs = 10_000;
/** Beyond it the socket takes no more for now. */
const sendAhead = 256 * 1024;

/** Throws Unavailable when the session breaks before the command has ended. */
export async function execSession(to: ExecSocket, io: ContainerIO, { signal }: CallContext): Promise<ExecResult> {
  if (signal.aborted) throw new VirtualKubeletError("Aborted", "exec: aborted");
  const socket = new WebSocket(to.url, {
    ...{ headers: to.headers, ...to.tls, perMessageDeflate: false, handshakeTimeout: 30_000, maxPayload: 16 * 2 ** 20 },
  });
  const ended = Promise.withResolvers<ExecResult>();
  // It is awaited below, maybe after it has failed.
  ended.promise.catch(() => {});
  const abort = (): void => {
    ended.reject(new VirtualKubeletError("Aborted", "exec: aborted"));
    socket.terminate();
  };
  signal.addEventListener("abort", abort, { once: true });
  let isOver = false;
  // Frames are taken one by one: a slow reader of the output holds the socket.
  let taken: Promise<void> = Promise.resolve();
  socket.on("message", (data) => {
    taken = taken.then(async () => {
      if (isOver) return;
      socket.pause();
      try {
        const result = await took(Buffer.isBuffer(data) ? data : Buffer.concat([data].flat().map(bytes)), io);
        if (result !== undefined) ended.resolve(result);
      } catch (error) {
        ended.reject(error);
      } finally {
        if (socket.readyState === WebSocket.OPEN) socket.resume();
      }
    });
  });
  socket.on("unexpected-response", (_request, response) => {
    response.setEncoding("utf8");
    let text = "";
    response.on("data", (chunk: string) => {
      if (text.length < 4096) text += chunk;
    });
    response.on("end", () => ended.reject(nomadError(response.statusCode ?? 500, text, "exec")));
  });
  socket.on("error", (cause) => {
    ended.reject(new VirtualKubeletError("Unavailable", `exec: ${errorText(cause)}`, { cause }));
  });
  socket.on("close", (code, reason) => {
    const why = reason.toString();
    // What came before the close is looked at first.
    void taken.then(() =>
      ended.reject(new VirtualKubeletError(closeKind(why), `exec: the session was closed: ${code} ${why}`.trim())),
    );
  });
  const heartbeat = setInterval(() => {
    if (socket.readyState === WebSocket.OPEN) socket.send("{}");
  }, heartbeatMs).unref();
  try {
    await Promise.race([once(socket, "open"), ended.promise]);
    const input = sendInput(socket, io, () => isOver);
    const sizes = sendSizes(socket, io, () => isOver);
    // Who cannot read what is typed any more ends the session, not the program.
    input.catch((error: unknown) => ended.reject(error));
    sizes.catch((error: unknown) => ended.reject(error));
    return await ended.promise;
  } finally {
    isOver = true;
    clearInterval(heartbeat);
    signal.removeEventListener("abort", abort);
    socket.close(1000);
    const cut = setTimeout(() => socket.terminate(), 2000).unref();
    socket.once("close", () => clearTimeout(cut));
  }
}

/** Words are all that is told of why a command cannot run. */
function closeKind(why: string): "NotFound" | "Forbidden" | "Unavailable" {
  if (/unknown (allocation|task)|task not found|not started|is not running/i.test(why)) return "NotFound";
  return /permission denied/i.test(why) ? "Forbidden" : "Unavailable";
}

async function took(data: Buffer, io: ContainerIO): Promise<ExecResult | undefined> {
  const found = v.safeParse(frame, JSON.parse(data.toString("utf8")));
  if (!found.success) throw new VirtualKubeletError("Unavailable", "exec: a frame of another kind");
  const { stdout, stderr, exited, result } = found.output;
  await put(io.stdout, stdout?.data);
  await put(io.stderr ?? (io.tty ? io.stdout : undefined), stderr?.data);
  if (exited !== true) return undefined;
  return { exitCode: (result?.exit_code ?? 0) & 255 };
}

async function put(stream: Writable | undefined, data: string | null | undefined): Promise<void> {
  if (stream === undefined || data === undefined || data === null || data === "") return;
  if (stream.destroyed || stream.writableEnded) return;
  if (stream.write(Buffer.from(data, "base64"))) return;
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]);
  over.abort();
}

/** A command whose input is never closed may never end; a terminal that is closed takes its command and the output with it. */
async function sendInput(socket: WebSocket, { stdin, tty }: ContainerIO, isOver: () => boolean): Promise<void> {
  if (stdin !== undefined) {
    for await (const chunk of stdin) {
      if (isOver()) return;
      const data = Buffer.from(chunk).toString("base64");
      await sent(socket, { stdin: { data } });
      while (socket.bufferedAmount > sendAhead && !isOver())
        await new Promise((resolve) => {
          setTimeout(resolve, 20).unref();
        });
    }
  }
  if (!tty && !isOver()) await sent(socket, { stdin: { close: true } });
}

async function sendSizes(socket: WebSocket, { tty, resize }: ContainerIO, isOver: () => boolean): Promise<void> {
  if (!tty || resize === undefined) return;
  for await (const { width, height } of resize) {
    if (isOver()) return;
    await sent(socket, { tty_size: { height, width } });
  }
}

/** A socket that is closed takes nothing; its close tells why. */
async function sent(socket: WebSocket, value: unknown): Promise<void> {
  if (socket.readyState !== WebSocket.OPEN) return;
  await new Promise<void>((resolve) => {
    socket.send(JSON.stringify(value), () => resolve());
  });
}

function bytes(data: Buffer | ArrayBuffer): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
