// The agent's side of a Session Manager data channel, in front of a command: what the service and the agent in a task do.
import { randomUUID } from "node:crypto";
import { PassThrough, Writable } from "node:stream";
import { type Clock, errorText, type TerminalSize, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import {
  type AgentMessage,
  decodeAgentMessage,
  encodeAgentMessage,
  largestPayload,
  messageFlags,
  messageTypes,
  payloadTypes,
} from "../ssm/agent-message.ts";
import { acknowledgement, jsonBytes, parseAcknowledgement } from "../ssm/handshake.ts";
import { Resequencer } from "../ssm/resequencer.ts";
import { SentWindow } from "../ssm/sent-window.ts";

export interface AgentCommandIO {
  /** Ends when the session ends. */
  readonly stdin: PassThrough;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly sizes: AsyncIterable<TerminalSize>;
  readonly signal: AbortSignal;
}

export interface FakeSsmAgentOptions {
  readonly clock: Clock;
  /** Of the first message; a session with another one is closed. */
  readonly tokenValue: string;
  /** The session is over when it resolves, with the command's exit code. */
  readonly run: (io: AgentCommandIO) => Promise<number>;
  /** What a session of a kind that tells it does: interactive ones do not. */
  readonly tellsExitCode?: boolean | undefined;
  /** Wanted in the handshake besides the kind of session. */
  readonly wants?: readonly string[] | undefined;
  /** Said in the message that closes the channel. */
  readonly farewell?: string | undefined;
}

/** The wire under it: whole messages. */
export interface AgentWire {
  send(data: Uint8Array): void;
  close(code: number, reason: string): void;
}

/** What a client said of itself, and what came of it. */
export interface AgentBook {
  clientVersion?: string | undefined;
  sizes: TerminalSize[];
  terminated: boolean;
  ended: boolean;
  /** What failed behind the session. */
  fault?: string | undefined;
}

export class FakeSsmAgent {
  readonly book: AgentBook = { sizes: [], terminated: false, ended: false };
  readonly #wire: AgentWire;
  readonly #options: FakeSsmAgentOptions;
  readonly #window: SentWindow;
  readonly #incoming = new Resequencer<AgentMessage>();
  readonly #stdin = new PassThrough();
  readonly #sizes = new PassThrough({ objectMode: true });
  readonly #stop = new AbortController();
  #sequence = 0;
  #opened = false;

  constructor(wire: AgentWire, options: FakeSsmAgentOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#window = new SentWindow({
      clock: options.clock,
      send: (bytes) => wire.send(bytes),
      giveUpMs: 60_000,
      giveUp: () => this.closed(),
    });
  }

  receive(data: string | Uint8Array): void {
    if (typeof data === "string") this.#open(data);
    else if (this.#opened && !this.book.ended) this.#take(decodeAgentMessage(data));
  }

  /** The wire is gone. */
  closed(): void {
    this.#stop.abort();
    this.#stdin.end();
    this.#sizes.end();
    this.#window.close(new VirtualKubeletError("Unavailable", "the session has ended"));
    this.book.ended = true;
  }

  #open(text: string): void {
    const opening: unknown = JSON.parse(text);
    const token = typeof opening === "object" && opening !== null && "TokenValue" in opening ? opening.TokenValue : "";
    if (this.#opened || token !== this.#options.tokenValue) {
      this.#wire.close(1008, "Invalid token");
      this.closed();
      return;
    }
    this.#opened = true;
    const actions = [
      { ActionType: "SessionType", ActionParameters: { SessionType: "InteractiveCommands", Properties: {} } },
      ...(this.#options.wants ?? []).map((ActionType) => ({ ActionType, ActionParameters: { KMSKeyId: "key" } })),
    ];
    const request = { AgentVersion: "3.3.1142.0", RequestedClientActions: actions };
    this.#sendNow(payloadTypes.handshakeRequest, jsonBytes(request));
  }

  #take(message: AgentMessage): void {
    if (message.messageType === messageTypes.acknowledge) {
      this.#window.acknowledge(parseAcknowledgement(message.payload).sequenceNumber);
      return;
    }
    if (message.messageType !== messageTypes.input) throw new Error(`a client does not send ${message.messageType}`);
    const { taken, ready } = this.#incoming.take(message.sequenceNumber, message);
    if (taken) {
      const flags = messageFlags.syn | messageFlags.fin;
      const rest = { sequenceNumber: 0, flags, payloadType: 0, payload: acknowledgement(message) };
      this.#wire.send(this.#encoded({ messageType: messageTypes.acknowledge, ...rest }));
    }
    for (const each of ready) this.#input(each);
  }

  #input({ payloadType, payload }: AgentMessage): void {
    if (payload.length > largestPayload && payloadType === payloadTypes.output)
      throw new Error(`${payload.length} bytes of input are more than a message may have`);
    switch (payloadType) {
      case payloadTypes.handshakeResponse: {
        const { ClientVersion: version } = JSON.parse(Buffer.from(payload).toString("utf8"));
        this.book.clientVersion = String(version);
        const complete = { HandshakeTimeToComplete: 1_000_000, CustomerMessage: "" };
        this.#sendNow(payloadTypes.handshakeComplete, jsonBytes(complete));
        this.#run().catch((error) => {
          // A session that ended meanwhile has no use for what is written.
          if (!this.book.ended) this.book.fault = errorText(error);
          this.closed();
        });
        break;
      }
      case payloadTypes.output:
        this.#stdin.write(payload);
        break;
      case payloadTypes.size: {
        const { cols, rows } = JSON.parse(Buffer.from(payload).toString("utf8"));
        const size = { width: Number(cols), height: Number(rows) };
        this.book.sizes.push(size);
        this.#sizes.write(size);
        break;
      }
      case payloadTypes.flag:
        this.book.terminated = true;
        this.#stdin.end();
        this.#stop.abort();
        break;
      default:
        throw new Error(`a client does not send payloads of type ${payloadType}`);
    }
  }

  async #run(): Promise<void> {
    const exitCode = await this.#options.run({
      stdin: this.#stdin,
      stdout: this.#writable(payloadTypes.output),
      stderr: this.#writable(payloadTypes.stderr),
      sizes: this.#sizes,
      signal: this.#stop.signal,
    });
    if (this.book.ended) return;
    if (this.#options.tellsExitCode === true)
      await this.#send(payloadTypes.exitCode, Buffer.from(`EXIT_CODE: ${exitCode}`));
    await this.#window.drained();
    if (this.book.ended) return;
    const content = { MessageType: messageTypes.channelClosed, MessageId: randomUUID(), SchemaVersion: 1 };
    const rest = { DestinationId: "", SessionId: "", CreatedDate: "", Output: this.#options.farewell ?? "" };
    const payload = jsonBytes({ ...content, ...rest });
    const flags = messageFlags.syn | messageFlags.fin;
    const header = { messageType: messageTypes.channelClosed, sequenceNumber: 0, flags, payloadType: 0 };
    this.#wire.send(this.#encoded({ ...header, payload }));
    this.closed();
  }

  #writable(payloadType: number): Writable {
    return new Writable({
      write: (chunk: Uint8Array, _encoding, done) => {
        this.#pieces(payloadType, chunk).then(() => done(), done);
      },
    });
  }

  async #pieces(payloadType: number, bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += largestPayload)
      await this.#send(payloadType, bytes.slice(start, start + largestPayload));
  }

  async #send(payloadType: number, payload: Uint8Array): Promise<void> {
    await this.#window.room();
    this.#sendNow(payloadType, payload);
  }

  #sendNow(payloadType: number, payload: Uint8Array): void {
    const sequenceNumber = this.#sequence;
    this.#sequence += 1;
    const flags = sequenceNumber === 0 ? messageFlags.syn : 0;
    const header = { messageType: messageTypes.output, sequenceNumber, flags, payloadType };
    this.#window.add(sequenceNumber, this.#encoded({ ...header, payload }));
  }

  #encoded(message: Omit<AgentMessage, "schemaVersion" | "createdDate" | "messageId">): Uint8Array {
    const rest = { schemaVersion: 1, createdDate: this.#options.clock.now(), messageId: randomUUID() };
    return encodeAgentMessage({ ...message, ...rest });
  }
}
