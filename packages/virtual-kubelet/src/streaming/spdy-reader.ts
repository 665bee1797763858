// The receiving side of a SPDY session: frames in order, as long as nobody holds too much unread. Kubernetes' use of SPDY has no
// flow control but that of the transport, which is therefore not read on while a stream, or all of them together, are full.
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { type SpdyFrame, SpdyFrameParser } from "./spdy-frames.ts";
import type { SpdyStream } from "./spdy-stream.ts";

/** Unread bytes (and what keeping them costs) of one stream, and of all of a session, at which the transport is not read on. */
export const streamBuffer: number = 256 * 1024;
export const sessionBuffer: number = 1024 * 1024;
/** How often `probe` is called while nothing is read. */
const probeMs = 5000;

/** What the reader needs of its session. */
export interface SpdyReaderOwner {
  /** May throw Invalid, which ends the session. */
  handle(frame: SpdyFrame): void;
  /** What came was no SPDY; nothing more is read. */
  failed(error: VirtualKubeletError): void;
  /** Another reason not to read on; `goOn` tells that it may be gone. */
  clogged(): boolean;
  /** While nothing is read, the end of the peer shows only by a write that fails: writes something. */
  probe(): void;
}

export class SpdyReader {
  readonly #transport: Duplex;
  readonly #owner: SpdyReaderOwner;
  readonly #clock: Clock;
  readonly #parser = new SpdyFrameParser();
  /** Those with too much unread. */
  readonly #full = new Set<SpdyStream>();
  #buffered = 0;
  #pumping = false;
  #paused = false;
  #stopped = false;
  #cancelProbe: () => void = () => {};

  constructor(transport: Duplex, head: Buffer, owner: SpdyReaderOwner, clock: Clock) {
    this.#transport = transport;
    this.#owner = owner;
    this.#clock = clock;
    this.#parser.push(head);
    transport.on("data", (chunk: Buffer) => {
      if (this.#stopped) return;
      this.#parser.push(chunk);
      this.#pump();
    });
    transport.resume();
    // Not yet: whoever makes the session has it only when its constructor has returned.
    process.nextTick(() => this.#pump());
  }

  /** What a stream keeps has changed by so much. */
  buffered(stream: SpdyStream, change: number): void {
    this.#buffered += change;
    if (stream.cost > streamBuffer) this.#full.add(stream);
    else if (this.#full.size > 0) this.#full.delete(stream);
    if (change < 0) this.goOn();
  }

  /** Reads on if there is no reason any more not to. */
  goOn(): void {
    if (this.#paused && !this.#holds()) this.#pump();
  }

  /** What comes from now on is taken and dropped. */
  stop(): void {
    this.#stopped = true;
    this.#pump();
  }

  #holds(): boolean {
    return this.#full.size > 0 || this.#buffered > sessionBuffer || this.#owner.clogged();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (!this.#stopped && !this.#holds()) {
        const frame = this.#parser.next();
        if (frame === undefined) break;
        this.#owner.handle(frame);
      }
    } catch (error) {
      this.#owner.failed(VirtualKubeletError.from(error));
    } finally {
      this.#pumping = false;
    }
    const pause = !this.#stopped && this.#holds();
    if (pause === this.#paused) return;
    this.#paused = pause;
    this.#cancelProbe();
    if (pause) {
      this.#transport.pause();
      this.#probe();
    } else this.#transport.resume();
  }

  #probe(): void {
    this.#cancelProbe = this.#clock.schedule(probeMs, () => {
      this.#owner.probe();
      this.#probe();
    });
  }
}
