// One SPDY/3.1 connection over any duplex: opens, feeds, resets and ends its streams.
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import {
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  goAwayStatus,
  resetStatus,
  type SpdyFrame,
} from "./spdy-frames.ts";
import { HeaderDeflater, HeaderInflater, type SpdyHeaders } from "./spdy-headers.ts";
import { SpdyReader, type SpdyReaderOwner } from "./spdy-reader.ts";
import { type SpdyLink, SpdyStream } from "./spdy-stream.ts";
import { SpdyWriter } from "./spdy-writer.ts";

/** After all is sent, what the peer still sends is dropped for so long: bytes left unread would reset the connection and lose output. */
const lingerMs = 5000;
const largestStreamId = 0x7fff_ffff;
const nothing = Buffer.alloc(0);

/** Decides on a stream that the peer wants to open: undefined refuses it, else it is called once the stream is open. */
export type AcceptStream = (headers: SpdyHeaders, streamId: number) => ((stream: SpdyStream) => void) | undefined;

export interface SpdySessionOptions {
  /** Milliseconds without content (data, or a new stream) in either direction until the session ends; 0: never. */
  readonly idleTimeoutMs: number;
  /** Default: refuses all. */
  readonly accept?: AcceptStream | undefined;
  /** Bytes that were read already and come before those of the transport. */
  readonly head?: Buffer | undefined;
  /** Open at a time; more are refused. Default 1024. */
  readonly maxStreams?: number | undefined;
  /** Which streams are ours; default "server". */
  readonly role?: "server" | "client" | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Begins at once. Ends with its transport, or by `close` (in order) or `destroy`; every stream ends with it. Listens to the
 * transport's 'error' event.
 */
export class SpdySession {
  readonly #transport: Duplex;
  readonly #reader: SpdyReader;
  readonly #writer: SpdyWriter;
  readonly #accept: AcceptStream;
  readonly #clock: Clock;
  readonly #idleTimeoutMs: number;
  readonly #maxStreams: number;
  readonly #inflater = new HeaderInflater();
  readonly #deflater = new HeaderDeflater();
  readonly #link: SpdyLink;
  readonly #streams = new Map<number, SpdyStream>();
  /** Opened by us, not answered yet. */
  readonly #opening = new Map<number, PromiseWithResolvers<SpdyStream>>();
  readonly #gone = new AbortController();
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Ending: takes no more streams. Over: sends no more and drops what comes. */
  #state: "open" | "ending" | "over" = "open";
  #goAwayReceived = false;
  #lastPeerStream = 0;
  #nextStream: number;
  #nextPing: number;
  #lastContent: number;
  #cancelIdle: () => void = () => {};
  #cancelLinger: () => void = () => {};

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.#transport = transport;
    this.#writer = new SpdyWriter(transport, () => this.#reader.goOn());
    this.#accept = options.accept ?? (() => undefined);
    this.#clock = options.clock ?? systemClock;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#maxStreams = options.maxStreams ?? 1024;
    this.#nextStream = options.role === "client" ? 1 : 2;
    this.#nextPing = this.#nextStream;
    this.#lastContent = this.#clock.now();
    this.#link = {
      send: (streamId, chunks, fin, sent) => {
        this.#lastContent = this.#clock.now();
        this.#writer.send(streamId, chunks, fin, sent);
      },
      sendReset: (streamId, status) => this.#writer.sendControl(encodeRstStream(streamId, status)),
      buffered: (stream, change) => this.#reader.buffered(stream, change),
      closed: ({ streamId }) => {
        this.#streams.delete(streamId);
        this.#opening.delete(streamId);
        this.#endWhenDone();
      },
    };
    const handlers: SpdyReaderOwner = {
      handle: (frame) => this.#handle(frame),
      failed: (error) => this.#fail(error, goAwayStatus.protocolError),
      clogged: () => this.#writer.clogged,
      probe: () => this.#ping(),
    };
    this.#reader = new SpdyReader(transport, options.head ?? nothing, handlers, this.#clock);
    transport.on("error", (error) => this.destroy(lost(error)));
    transport.on("close", () => this.#onClosed());
    // While we still send, a peer that has ended its side is gone: nobody half-closes a whole connection.
    transport.on("end", () => {
      if (this.#state !== "over") this.destroy();
    });
    if (transport.destroyed || transport.readableEnded) {
      this.destroy();
      if (transport.closed) this.#onClosed();
      return;
    }
    this.#watchIdle();
  }

  /** Aborts when the peer is gone, the transport broke, the peer broke the rules, or for idleness; the reason says which. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when the transport is closed, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Opens a stream; resolves when the peer has answered. Rejects when it refuses, or the session ends. */
  open(headers: Iterable<readonly [name: string, value: string]>): Promise<SpdyStream> {
    const streamId = this.#nextStream;
    if (this.#state !== "open" || this.#goAwayReceived || streamId > largestStreamId) return Promise.reject(lost());
    this.#nextStream += 2;
    const list = [...headers];
    const stream = this.#addStream(streamId, new Map(list));
    const opening = Promise.withResolvers<SpdyStream>();
    this.#opening.set(streamId, opening);
    stream.once("close", () => opening.reject(stream.errored ?? lost()));
    this.#writer.sendControl(encodeSynStream(streamId, this.#deflater.deflate(list), false));
    return opening.promise;
  }

  /**
   * Ends all streams once what was written to them is sent, then the connection: nothing is lost. Resolves when the
   * transport is closed, which happens at once when the peer is gone.
   */
  async close(): Promise<void> {
    if (this.#state === "open") {
      this.#state = "ending";
      await Promise.race([this.#closed.promise, Promise.all([...this.#streams.values()].map(endStream))]);
      this.#shutDown(goAwayStatus.ok);
    }
    await this.#closed.promise;
  }

  /** Ends it at once: what was not sent yet is lost. The reason is given to the signal and all streams. */
  destroy(reason: Error = lost()): void {
    this.#abandon(reason);
    this.#transport.destroy();
  }

  #handle(frame: SpdyFrame): void {
    switch (frame.type) {
      case "data":
        this.#lastContent = this.#clock.now();
        // None: reset by us while this was on its way.
        this.#streams.get(frame.streamId)?.receive(frame.data, frame.fin);
        return;
      case "synStream":
        this.#onSynStream(frame.streamId, this.#inflater.inflate(frame.block), frame.fin, frame.unidirectional);
        return;
      case "synReply":
        this.#inflater.inflate(frame.block);
        this.#onSynReply(frame.streamId, frame.fin);
        return;
      case "headers":
        // Says nothing to us, but what follows refers to it.
        this.#inflater.inflate(frame.block);
        if (frame.fin) this.#streams.get(frame.streamId)?.receive(nothing, true);
        return;
      case "rstStream":
        this.#streams.get(frame.streamId)?.abandon(new VirtualKubeletError("Aborted", "the peer has reset the stream"));
        return;
      case "ping":
        if (frame.id % 2 !== this.#nextPing % 2) this.#writer.sendControl(encodePing(frame.id));
        return;
      case "goAway":
        this.#goAwayReceived = true;
        this.#endWhenDone();
    }
  }

  #onSynStream(streamId: number, headers: SpdyHeaders, fin: boolean, unidirectional: boolean): void {
    if (streamId % 2 === this.#nextStream % 2 || streamId <= this.#lastPeerStream) {
      throw new VirtualKubeletError("Invalid", `bad SPDY: stream ${streamId} opened after ${this.#lastPeerStream}`);
    }
    this.#lastPeerStream = streamId;
    if (this.#state !== "open" || this.#goAwayReceived) return;
    const use = unidirectional || this.#streams.size >= this.#maxStreams ? undefined : this.#accept(headers, streamId);
    if (use === undefined) {
      this.#writer.sendControl(encodeRstStream(streamId, resetStatus.refusedStream));
      return;
    }
    this.#lastContent = this.#clock.now();
    const stream = this.#addStream(streamId, headers);
    this.#writer.sendControl(encodeSynReply(streamId, this.#deflater.deflate([])));
    if (fin) stream.receive(nothing, true);
    use(stream);
  }

  #onSynReply(streamId: number, fin: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#opening.get(streamId)?.resolve(stream);
    this.#opening.delete(streamId);
    if (fin) stream.receive(nothing, true);
  }

  #addStream(streamId: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(this.#link, streamId, headers);
    this.#streams.set(streamId, stream);
    return stream;
  }

  /** Who said GOAWAY opens no more streams: with the last one the session is over. */
  #endWhenDone(): void {
    if (this.#goAwayReceived && this.#state === "open" && this.#streams.size === 0) this.#fail(lost(), goAwayStatus.ok);
  }

  #ping(): void {
    this.#writer.sendControl(encodePing(this.#nextPing));
    this.#nextPing = (this.#nextPing + 2) % largestStreamId;
  }

  #watchIdle(): void {
    if (this.#idleTimeoutMs <= 0) return;
    const left = this.#lastContent + this.#idleTimeoutMs - this.#clock.now();
    if (left > 0) {
      this.#cancelIdle = this.#clock.schedule(left, () => this.#watchIdle());
      return;
    }
    const reason = new VirtualKubeletError("Aborted", `nothing moved for ${this.#idleTimeoutMs} ms`);
    if (this.#state === "over") this.destroy(reason);
    else this.#fail(reason, goAwayStatus.ok);
  }

  /** Ends without waiting for anybody, but tells the peer, should it listen. */
  #fail(reason: Error, status: number): void {
    if (this.#state === "over") return;
    this.#gone.abort(reason);
    this.#shutDown(status, reason);
    this.#linger();
  }

  /** Says GOAWAY after all that was sent. The transport closes when the peer has ended, too. */
  #shutDown(status: number, reason: Error = lost()): void {
    if (this.#state === "over") return;
    this.#writer.sendControl(encodeGoAway(this.#lastPeerStream, status));
    this.#abandonStreams(reason);
    this.#transport.end(() => this.#linger());
  }

  #linger(): void {
    this.#cancelLinger();
    if (this.#transport.closed) return;
    this.#cancelLinger = this.#clock.schedule(lingerMs, () => this.#transport.destroy());
  }

  #abandon(reason: Error): void {
    if (this.#state === "over") return;
    this.#gone.abort(reason);
    this.#abandonStreams(reason);
  }

  #abandonStreams(reason: Error): void {
    this.#state = "over";
    this.#reader.stop();
    this.#writer.stop(reason);
    for (const stream of this.#streams.values()) stream.abandon(reason);
  }

  #onClosed(): void {
    this.#abandon(lost());
    this.#cancelIdle();
    this.#cancelLinger();
    this.#closed.resolve();
  }
}

function endStream(stream: SpdyStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableFinished || stream.destroyed) {
      resolve();
      return;
    }
    stream.once("finish", resolve).once("close", resolve);
    stream.end();
  });
}

function lost(cause?: unknown): VirtualKubeletError {
  return new VirtualKubeletError("Unavailable", "the connection has ended", { cause });
}
