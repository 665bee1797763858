// Exec and attach over SPDY: the remote command protocols v1 to v4 (channel.k8s.io). v5 exists over WebSocket alone.
import type { IncomingMessage } from "node:http";
import type { Duplex, Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { messageOf, statusOf } from "./command-status.ts";
import type { CommandOutcome, RemoteCommand, StreamLimits, StreamsWanted, TerminalSize } from "./remote-command.ts";
import { type AcceptStream, SpdySession } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";
import { negotiateSpdy, switchToSpdy } from "./spdy-upgrade.ts";
import { TerminalSizes } from "./terminal-sizes.ts";

/** The last two are one and the same. */
const versions: ReadonlyMap<string, number> = new Map([
  ["v4.channel.k8s.io", 4],
  ["v3.channel.k8s.io", 3],
  ["v2.channel.k8s.io", 2],
  ["channel.k8s.io", 1],
  ["", 1],
]);

const streamTypes = ["error", "stdin", "stdout", "stderr", "resize"] as const;
type StreamType = (typeof streamTypes)[number];

/** The streams that the client has to open. */
export function expectedStreams(wanted: StreamsWanted, version: number): ReadonlySet<StreamType> {
  const expected = new Set<StreamType>(["error"]);
  if (wanted.stdin) expected.add("stdin");
  if (wanted.stdout) expected.add("stdout");
  if (wanted.stderr && !wanted.tty) expected.add("stderr");
  if (wanted.tty && version >= 3) expected.add("resize");
  return expected;
}

/**
 * Grants an upgrade to SPDY/3.1 and waits for the client's streams. Rejects with UpgradeRefusal before anything is sent, or
 * with Unavailable when the streams do not come in time or the client leaves: the socket is closed then.
 */
export async function acceptSpdyRemoteCommand(
  request: Pick<IncomingMessage, "headersDistinct">,
  socket: Duplex,
  head: Buffer,
  wanted: StreamsWanted,
  limits: StreamLimits,
  clock: Clock = systemClock,
): Promise<RemoteCommand> {
  const protocol = negotiateSpdy(request, [...versions.keys()]);
  const version = versions.get(protocol) ?? 1;
  const opened = new CommandStreams(expectedStreams(wanted, version));
  switchToSpdy(socket, protocol);
  const { accept } = opened;
  const session = new SpdySession(socket, { accept, head, idleTimeoutMs: limits.idleTimeoutMs, maxStreams: 8, clock });
  const cancel = clock.schedule(limits.creationTimeoutMs, () => {
    session.destroy(new VirtualKubeletError("Unavailable", "the client did not open its streams in time"));
  });
  const gone = (): void => opened.complete.reject(session.signal.reason);
  session.signal.addEventListener("abort", gone);
  if (session.signal.aborted) gone();
  try {
    await opened.complete.promise;
  } finally {
    cancel();
    session.signal.removeEventListener("abort", gone);
  }
  return new SpdyRemoteCommand(session, opened.streams, version, wanted.tty);
}

/** Collects the streams that are expected. */
class CommandStreams {
  readonly streams = new Map<StreamType, SpdyStream>();
  readonly complete: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #expected: ReadonlySet<StreamType>;
  readonly #seen = new Set<StreamType>();

  constructor(expected: ReadonlySet<StreamType>) {
    this.#expected = expected;
  }

  readonly accept: AcceptStream = (headers) => {
    const type = streamTypes.find((known) => known === headers.get("streamtype"));
    if (type === undefined || this.#seen.has(type)) return undefined;
    this.#seen.add(type);
    return (stream) => this.#opened(type, stream);
  };

  #opened(type: StreamType, stream: SpdyStream): void {
    // The client writes nothing to the others; whatever it does is taken and dropped.
    if (type !== "stdin" && type !== "resize") stream.resume();
    if (!this.#expected.has(type)) {
      stream.resume().end();
      return;
    }
    this.streams.set(type, stream);
    if (this.streams.size === this.#expected.size) this.complete.resolve();
  }
}

class SpdyRemoteCommand implements RemoteCommand {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly tty: boolean;
  readonly resize: AsyncIterable<TerminalSize> | undefined;
  readonly signal: AbortSignal;
  readonly #session: SpdySession;
  readonly #stdin: SpdyStream | undefined;
  readonly #error: SpdyStream | undefined;
  readonly #version: number;
  #finished: Promise<void> | undefined;

  constructor(session: SpdySession, streams: ReadonlyMap<StreamType, SpdyStream>, version: number, tty: boolean) {
    this.#session = session;
    this.#version = version;
    this.#error = streams.get("error");
    this.#stdin = streams.get("stdin");
    this.stdin = this.#stdin;
    this.stdout = streams.get("stdout");
    this.stderr = streams.get("stderr");
    this.tty = tty;
    this.signal = session.signal;
    const resize = streams.get("resize");
    if (resize !== undefined) this.resize = readSizes(resize);
  }

  finish(outcome: CommandOutcome): Promise<void> {
    this.#finished ??= this.#finish(outcome);
    return this.#finished;
  }

  async #finish(outcome: CommandOutcome): Promise<void> {
    // Nobody wants it any more, and it must not keep the session from reading: what the client says, or that it is gone.
    this.#stdin?.discardInput();
    await Promise.all([written(this.stdout), written(this.stderr)]);
    const text = this.#version >= 4 ? statusOf(outcome) : messageOf(outcome);
    if (text !== undefined) this.#error?.write(text);
    await this.#session.close();
  }
}

/** Resolves when all of it is sent and its end told, or there is nobody to tell. */
async function written(stream: Writable | undefined): Promise<void> {
  if (stream === undefined) return;
  stream.end();
  try {
    await finished(stream, { readable: false });
  } catch {
    // Reset by the client, or destroyed by who wrote it: either way there is no more to send.
  }
}

function readSizes(stream: SpdyStream): TerminalSizes {
  const sizes = new TerminalSizes();
  stream.on("data", (bytes: Buffer) => sizes.receive(bytes));
  stream.on("end", () => sizes.end()).on("close", () => sizes.end());
  return sizes;
}
