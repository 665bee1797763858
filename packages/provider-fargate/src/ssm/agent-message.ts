// The binary messages of a Session Manager data channel: a header of 116 bytes, big-endian, the payload's length, the payload.
import { createHash } from "node:crypto";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export interface AgentMessage {
  /** One of `messageTypes`, or one that is not known here; up to 32 characters of ASCII. */
  readonly messageType: string;
  readonly schemaVersion: number;
  /** Epoch milliseconds. */
  readonly createdDate: number;
  readonly sequenceNumber: number;
  readonly flags: number;
  /** A UUID. */
  readonly messageId: string;
  readonly payloadType: number;
  readonly payload: Uint8Array;
}

export const messageTypes = {
  input: "input_stream_data",
  output: "output_stream_data",
  acknowledge: "acknowledge",
  channelClosed: "channel_closed",
  startPublication: "start_publication",
  pausePublication: "pause_publication",
} as const;

export const payloadTypes = {
  output: 1,
  error: 2,
  size: 3,
  handshakeRequest: 5,
  handshakeResponse: 6,
  handshakeComplete: 7,
  encryptionChallengeRequest: 8,
  encryptionChallengeResponse: 9,
  flag: 10,
  stderr: 11,
  exitCode: 12,
} as const;

export const messageFlags = { syn: 1, fin: 2 } as const;

/** What a payload of type `flag` says, 4 bytes. */
export const terminateSession = 2;

/** Of data in one message. */
export const largestPayload = 1024;

const at = {
  headerLength: 0,
  messageType: 4,
  schemaVersion: 36,
  createdDate: 40,
  sequenceNumber: 48,
  flags: 56,
  messageId: 64,
  payloadDigest: 80,
  payloadType: 112,
  payloadLength: 116,
  payload: 120,
} as const;

export function encodeAgentMessage(message: AgentMessage): Uint8Array {
  const bytes = Buffer.alloc(at.payload + message.payload.length);
  bytes.writeUInt32BE(at.payloadLength, at.headerLength);
  bytes.fill(0x20, at.messageType, at.schemaVersion);
  bytes.write(message.messageType, at.messageType, at.schemaVersion - at.messageType, "latin1");
  bytes.writeUInt32BE(message.schemaVersion, at.schemaVersion);
  bytes.writeBigUInt64BE(BigInt(Math.floor(message.createdDate)), at.createdDate);
  bytes.writeBigInt64BE(BigInt(message.sequenceNumber), at.sequenceNumber);
  bytes.writeBigUInt64BE(BigInt(message.flags), at.flags);
  halvesSwapped(Buffer.from(message.messageId.replaceAll("-", ""), "hex")).copy(bytes, at.messageId);
  digestOf(message.payload).copy(bytes, at.payloadDigest);
  bytes.writeUInt32BE(message.payloadType, at.payloadType);
  bytes.writeUInt32BE(message.payload.length, at.payloadLength);
  bytes.set(message.payload, at.payload);
  return bytes;
}

/** Throws Unavailable for what is no message: too short, lengths that do not fit, a digest that is not the payload's. */
export function decodeAgentMessage(data: Uint8Array): AgentMessage {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const fault = (what: string): VirtualKubeletError =>
    new VirtualKubeletError("Unavailable", `the session got a message that is none: ${what}`);
  if (bytes.length < at.payload) throw fault(`${bytes.length} bytes are fewer than a header has`);
  const messageType = bytes.toString("latin1", at.messageType, at.schemaVersion).replaceAll("\0", " ").trimEnd();
  if (messageType === "") throw fault("it has no type");
  const isBare = messageType === messageTypes.startPublication || messageType === messageTypes.pausePublication;
  const start = bytes.readUInt32BE(at.headerLength) + 4;
  const length = bytes.readUInt32BE(at.payloadLength);
  if (!isBare && (start < at.payload || start + length !== bytes.length))
    throw fault(`${bytes.length} bytes are not a header of ${start} and a payload of ${length}`);
  const payload = isBare ? bytes.subarray(bytes.length) : bytes.subarray(start);
  if (payload.length > 0 && !digestOf(payload).equals(bytes.subarray(at.payloadDigest, at.payloadType)))
    throw fault("its payload is not what its digest says");
  return {
    messageType,
    schemaVersion: bytes.readUInt32BE(at.schemaVersion),
    createdDate: Number(bytes.readBigUInt64BE(at.createdDate)),
    sequenceNumber: Number(bytes.readBigInt64BE(at.sequenceNumber)),
    flags: Number(bytes.readBigUInt64BE(at.flags)),
    messageId: uuidOf(halvesSwapped(bytes.subarray(at.messageId, at.payloadDigest))),
    payloadType: bytes.readUInt32BE(at.payloadType),
    payload: Uint8Array.from(payload),
  };
}

/** The wire has the last eight bytes of a UUID first. */
function halvesSwapped(id: Buffer): Buffer {
  return Buffer.concat([id.subarray(8, 16), id.subarray(0, 8)]);
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function digestOf(payload: Uint8Array): Buffer {
  return createHash("sha256").update(payload).digest();
}
