// A WebSocket as the wires of this folder need it: bounded both ways, sure to notice that the client is gone, and closed without losing what was sent.
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";

/** While this much waits for the client, writers wait. */
const maxWaitingBytes = 256 * 1024;
/** Answers to pings that the client has not taken; the pings of one that takes none at all get no more. */
const maxWaitingPongs = 16;
/** How often a client that is not read from hears that we live. Half of the time in which a dead one is noticed. */
const keepAliveMs = 5_000;
/** A client that was told to close and shows no life for so long is cut off. */
const lingerMs = 30_000;
/** For one that broke the protocol or closed of itself there is nothing to wait for but its reading of our Close. */
const cutOffMs = 2_000;

type State = "open" | "closing" | "gone" | "closed";

export class WebSocketWire {
  readonly #webSocket: WebSocket;
  readonly #idleTimeoutMs: number;
  readonly #clock: Clock;
  readonly #gone = new AbortController();
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #holders = new Set<object>();
  #state: State = "open";
  #lastContent: number;
  #lastLife: number;
  #waitingPongs = 0;
  #cancelIdle = (): void => {};
  #cancelKeepAlive = (): void => {};
  #cancelLinger = (): void => {};

  /**
   * `socket` is what `webSocket` runs over. `idleTimeoutMs` is how long the wire may carry no content, 0 for ever.
   * `onMessage` is called for each message while the wire is open.
   */
  constructor(
    webSocket: WebSocket,
    socket: Duplex,
    idleTimeoutMs: number,
    clock: Clock,
    onMessage: (message: Buffer, isBinary: boolean) => void,
  ) {
    this.#webSocket = webSocket;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#clock = clock;
    this.#lastContent = this.#clock.now();
    this.#lastLife = this.#lastContent;
    webSocket.on("message", (data, isBinary) => {
      if (this.#state === "open" && Buffer.isBuffer(data)) onMessage(data, isBinary);
    });
    webSocket.on("ping", (data) => this.#pong(data));
    webSocket.on("error", (error) => {
      this.#lose(VirtualKubeletError.from(error));
      this.#cutOff();
    });
    webSocket.on("close", () => this.#end());
    // After the library's own listener, which leaves a trace of the client's Close but no event.
    socket.on("data", () => {
      this.#lastLife = this.#clock.now();
      if (this.#state !== "open" || webSocket.readyState === webSocket.OPEN) return;
      this.#lose(new VirtualKubeletError("Aborted", "the client closed the connection"));
      this.#cutOff();
    });
    this.#watchIdle();
  }

  /** Aborts when the client is gone before the wire was closed in order, with an Aborted or Unavailable error. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when nothing is left of the connection, however it ended. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** No more should be sent until the last `send` has called back. */
  get isFull(): boolean {
    return this.#webSocket.bufferedAmount >= maxWaitingBytes;
  }

  /** Content moved. */
  touch(): void {
    this.#lastContent = this.#clock.now();
  }

  /** Sends one message, text for a string; `done` is called when it has left for the client, or with why it has not. */
  send(message: Buffer | string, done: (error?: Error | null) => void): void {
    if (this.#state !== "open") {
      process.nextTick(done, new VirtualKubeletError("Aborted", "the client is gone"));
      return;
    }
    this.#webSocket.send(message, (error) => {
      if (error === undefined || error === null) this.touch();
      else this.#lose(VirtualKubeletError.from(error));
      done(error);
    });
  }

  /** Reads nothing more from the client until each holder has let go. */
  hold(holder: object): void {
    if (this.#state !== "open") return;
    if (this.#holders.size === 0) {
      this.#webSocket.pause();
      this.#keepAlive();
    }
    this.#holders.add(holder);
  }

  release(holder: object): void {
    if (this.#holders.delete(holder) && this.#holders.size === 0) this.#flow();
  }

  /** Sends Close and waits until the client has closed, is gone, or shows no life. What comes in meanwhile is dropped. */
  close(code: number, reason = ""): Promise<void> {
    if (this.#state === "open") {
      this.#state = "closing";
      this.#flow();
      this.#webSocket.close(code, reason);
      this.#lastLife = this.#clock.now();
      this.#linger();
    }
    return this.#closed.promise;
  }

  /** Ends a wire that cannot go on, and tells the client why. One that is closing already gets little time for it. */
  fail(code: number, error: VirtualKubeletError): void {
    if (this.#state === "open") {
      this.#webSocket.close(code, error.message.slice(0, 100));
      this.#lose(error);
    }
    this.#cutOff();
  }

  /** Ends it at once. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  #lose(error: VirtualKubeletError): void {
    if (this.#state === "gone" || this.#state === "closed") return;
    const orderly = this.#state === "closing";
    this.#state = "gone";
    this.#flow();
    if (!orderly) this.#gone.abort(error);
  }

  #end(): void {
    this.#lose(new VirtualKubeletError("Aborted", "the client is gone"));
    this.#state = "closed";
    this.#cancelIdle();
    this.#cancelLinger();
    this.#closed.resolve();
  }

  #flow(): void {
    this.#holders.clear();
    this.#cancelKeepAlive();
    this.#webSocket.resume();
  }

  #pong(data?: Buffer): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN || this.#waitingPongs >= maxWaitingPongs) return;
    this.#waitingPongs++;
    this.#webSocket.pong(data, false, () => {
      this.#waitingPongs--;
    });
  }

  /**
   * A socket that is not read does not tell that its peer has left, and the peer's pings go unanswered. A pong that
   * nobody asked for does for both: writing it fails when the peer is gone, and it asks for no answer.
   */
  #keepAlive(): void {
    this.#cancelKeepAlive = this.#clock.schedule(keepAliveMs, () => {
      this.#pong();
      this.#keepAlive();
    });
  }

  #watchIdle(): void {
    if (this.#idleTimeoutMs <= 0) return;
    const left = this.#lastContent + this.#idleTimeoutMs - this.#clock.now();
    this.#cancelIdle = this.#clock.schedule(left, () => {
      if (this.#clock.now() - this.#lastContent < this.#idleTimeoutMs) this.#watchIdle();
      else if (this.#state === "open")
        this.fail(1001, new VirtualKubeletError("Aborted", "nothing moved for too long"));
      else this.terminate();
    });
  }

  #linger(): void {
    this.#cancelLinger = this.#clock.schedule(this.#lastLife + lingerMs - this.#clock.now(), () => {
      if (this.#clock.now() - this.#lastLife < lingerMs) this.#linger();
      else this.terminate();
    });
  }

  #cutOff(): void {
    if (this.#state === "closed") return;
    this.#cancelLinger();
    this.#cancelLinger = this.#clock.schedule(cutOffMs, () => this.terminate());
  }
}
