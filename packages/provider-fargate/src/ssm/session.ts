// The client's side of a session over any connection: the handshake, input that arrives once and in order, output put in order and
// acknowledged, sizes, and the end.
import { randomUUID } from "node:crypto";
import {
  type Clock,
  type Logger,
  pause,
  type TerminalSize,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import {
  type AgentMessage,
  decodeAgentMessage,
  encodeAgentMessage,
  largestPayload,
  messageFlags,
  messageTypes,
  payloadTypes,
  terminateSession,
} from "./agent-message.ts";
import { ByteQueue } from "./byte-queue.ts";
import {
  acknowledgement,
  answerHandshake,
  clientVersion,
  jsonBytes,
  parseAcknowledgement,
  parseChannelClosed,
  parseExitCode,
} from "./handshake.ts";
import { Resequencer } from "./resequencer.ts";
import { SentWindow } from "./sent-window.ts";
import type { SsmSession, SsmSessionEnd } from "./ssm-session.ts";
import type { ConnectTransport, SsmTransport } from "./web-socket-transport.ts";

export interface SessionOptions {
  readonly tokenValue: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly handshakeTimeoutMs: number;
}

/** Bytes of output that wait to be read before the connection is read no more. */
const highWater = 256 * 1024;
const giveUpMs = 60_000;
const closeTimeoutMs = 2_000;

/** See OpenSsmSession. */
export async function startSession(connect: ConnectTransport, options: SessionOptions): Promise<SsmSession> {
  options.signal.throwIfAborted();
  const session = new Session(options);
  const opening = new AbortController();
  const signal = AbortSignal.any([options.signal, opening.signal]);
  const late = options.clock.schedule(options.handshakeTimeoutMs, () => {
    opening.abort();
    const seconds = options.handshakeTimeoutMs / 1000;
    session.fail(new VirtualKubeletError("Unavailable", `the session's handshake did not end within ${seconds} s`));
  });
  try {
    session.begin(await connect({ message: (data) => session.receive(data), closed: (e) => session.fail(e) }, signal));
    await session.opened;
    return session;
  } catch (error) {
    session.fail(VirtualKubeletError.from(error));
    // What `fail` was told first is why: the connection's end may be its consequence.
    throw session.failure ?? error;
  } finally {
    late();
  }
}

class Session implements SsmSession {
  readonly output: ByteQueue;
  readonly stderr: ByteQueue;
  readonly ended: Promise<SsmSessionEnd>;
  readonly opened: Promise<void>;
  failure: VirtualKubeletError | undefined;
  readonly #options: SessionOptions;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<SsmSessionEnd>();
  readonly #window: SentWindow;
  readonly #incoming = new Resequencer<AgentMessage>();
  /** One write after the other, whoever writes. */
  #lastWrite: Promise<void> = Promise.resolve();
  #transport: SsmTransport | undefined;
  #sequence = 0;
  #full = 0;
  #exitCode: number | undefined;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.opened = this.#opened.promise;
    this.ended = this.#ended.promise;
    // Nobody has to look at how it opened or ended.
    this.opened.catch(() => {});
    this.ended.catch(() => {});
    const flow = { highWater, full: () => this.#flow(1), drained: () => this.#flow(-1) };
    this.output = new ByteQueue(flow);
    // Who did not begin to read it by now does not know of it.
    const full = (): void => {
      this.#flow(1);
      if (!this.stderr.hasReader) this.stderr.drop();
    };
    this.stderr = new ByteQueue({ ...flow, full });
    this.#window = new SentWindow({
      clock: options.clock,
      send: (bytes) => this.#transport?.send(bytes),
      giveUpMs,
      giveUp: (error) => this.fail(error),
    });
    options.signal.addEventListener("abort", this.#abort, { once: true });
  }

  begin(transport: SsmTransport): void {
    if (this.#over) {
      transport.close();
      return;
    }
    this.#transport = transport;
    transport.send(
      JSON.stringify({
        ...{ MessageSchemaVersion: "1.0", RequestId: randomUUID(), TokenValue: this.#options.tokenValue },
        ...{ ClientId: randomUUID(), ClientVersion: clientVersion },
      }),
    );
  }

  receive(data: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#take(decodeAgentMessage(data));
    } catch (error) {
      this.fail(VirtualKubeletError.from(error));
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      for (let start = 0; start < bytes.length; start += largestPayload)
        await this.#send(payloadTypes.output, bytes.slice(start, start + largestPayload));
    });
  }

  resize(size: TerminalSize): Promise<void> {
    const payload = jsonBytes({ cols: size.width, rows: size.height });
    return this.#inTurn(() => this.#send(payloadTypes.size, payload));
  }

  async close(): Promise<void> {
    if (this.#over) return;
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(terminateSession);
    const waiting = new AbortController();
    const asked = this.#inTurn(() => this.#send(payloadTypes.flag, payload)).then(() => this.#window.drained());
    const over = asked.then(() => this.ended).catch(() => {});
    await Promise.race([over, pause(this.#options.clock, closeTimeoutMs, waiting.signal)]);
    waiting.abort();
    this.#finish({ message: "" });
  }

  /** The session is over by a fault; once only, and not when it has ended well. */
  fail(error: VirtualKubeletError): void {
    if (this.#over) return;
    this.failure = error;
    this.#opened.reject(error);
    this.#ended.reject(error);
    this.#end(error);
  }

  readonly #abort = (): void => {
    this.fail(new VirtualKubeletError("Aborted", "the session was ended", { cause: this.#options.signal.reason }));
  };

  #finish(end: SsmSessionEnd): void {
    if (this.#over) return;
    this.#opened.reject(
      new VirtualKubeletError(
        "Unavailable",
        `the session ended before it had begun${end.message && `: ${end.message}`}`,
      ),
    );
    this.#ended.resolve({ ...end, exitCode: this.#exitCode });
    this.#end(undefined);
  }

  #end(error: VirtualKubeletError | undefined): void {
    this.#over = true;
    this.#options.signal.removeEventListener("abort", this.#abort);
    this.#window.close(error ?? new VirtualKubeletError("Unavailable", "the session has ended"));
    this.output.end(error);
    this.stderr.end(error);
    this.#transport?.close();
  }

  /** Where a reader is behind, the connection waits for it. */
  #flow(change: number): void {
    this.#full += change;
    if (this.#full > 0) this.#transport?.pause();
    else this.#transport?.resume();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#lastWrite.then(work);
    this.#lastWrite = done.catch(() => {});
    return done;
  }

  async #send(payloadType: number, payload: Uint8Array): Promise<void> {
    await this.#window.room();
    this.#sendNow(payloadType, payload);
  }

  #sendNow(payloadType: number, payload: Uint8Array): void {
    const sequenceNumber = this.#sequence;
    this.#sequence += 1;
    const flags = sequenceNumber === 0 ? messageFlags.syn : 0;
    this.#window.add(
      sequenceNumber,
      this.#encoded({ messageType: messageTypes.input, sequenceNumber, flags, payloadType, payload }),
    );
  }

  #encoded(message: Omit<AgentMessage, "schemaVersion" | "createdDate" | "messageId">): Uint8Array {
    const rest = { schemaVersion: 1, createdDate: this.#options.clock.now(), messageId: randomUUID() };
    return encodeAgentMessage({ ...message, ...rest });
  }

  #take(message: AgentMessage): void {
    switch (message.messageType) {
      case messageTypes.output: {
        const { taken, ready } = this.#incoming.take(message.sequenceNumber, message);
        if (taken) this.#acknowledge(message);
        for (const each of ready) this.#outcome(each);
        break;
      }
      case messageTypes.acknowledge: {
        const { messageType, sequenceNumber } = parseAcknowledgement(message.payload);
        if (messageType === messageTypes.input) this.#window.acknowledge(sequenceNumber);
        break;
      }
      case messageTypes.channelClosed:
        this.#finish({ message: parseChannelClosed(message.payload) });
        break;
      case messageTypes.pausePublication:
        this.#window.pause();
        break;
      case messageTypes.startPublication:
        this.#window.resume();
        break;
      default:
        this.#options.log.debug({ type: message.messageType }, "a session's message of an unknown type is left out");
    }
  }

  #acknowledge(message: AgentMessage): void {
    const flags = messageFlags.syn | messageFlags.fin;
    const rest = { sequenceNumber: 0, flags, payloadType: 0, payload: acknowledgement(message) };
    this.#transport?.send(this.#encoded({ messageType: messageTypes.acknowledge, ...rest }));
  }

  #outcome({ payloadType, payload }: AgentMessage): void {
    switch (payloadType) {
      case payloadTypes.handshakeRequest: {
        const answer = answerHandshake(payload);
        this.#sendNow(payloadTypes.handshakeResponse, answer.payload);
        if (answer.refused.length === 0) break;
        const text = `the session wants ${answer.refused.join(", ")}: exec works on clusters without a KMS key for it`;
        this.fail(new VirtualKubeletError("Unsupported", text));
        break;
      }
      case payloadTypes.handshakeComplete:
        this.#opened.resolve();
        break;
      case payloadTypes.output:
        this.#opened.resolve();
        this.output.push(payload);
        break;
      case payloadTypes.error:
      case payloadTypes.stderr:
        this.stderr.push(payload);
        break;
      case payloadTypes.exitCode:
        this.#exitCode = parseExitCode(payload);
        break;
      default:
        this.#options.log.debug({ payloadType }, "a session's payload of an unknown type is left out");
    }
  }
}
