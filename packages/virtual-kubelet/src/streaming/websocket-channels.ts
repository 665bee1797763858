// The channel protocols of Kubernetes over WebSocket: each message begins with its channel. Pure.

const closeSignal = 255;
const zero = 0x30;

export interface ChannelProtocol {
  /** base64: messages are text, the channel a digit in front of base64. */
  readonly encoding: "binary" | "base64";
  /** The outcome is a JSON Status; else plain text. */
  readonly jsonStatus: boolean;
  /** The client may end a channel. */
  readonly closeSignal: boolean;
}

const binary: ChannelProtocol = { encoding: "binary", jsonStatus: false, closeSignal: false };
const base64: ChannelProtocol = { ...binary, encoding: "base64" };

/** "" is what a client speaks that names none. */
const protocols: ReadonlyMap<string, ChannelProtocol> = new Map([
  ["", binary],
  ["channel.k8s.io", binary],
  ["base64.channel.k8s.io", base64],
  ["v4.channel.k8s.io", { ...binary, jsonStatus: true }],
  ["v4.base64.channel.k8s.io", { ...base64, jsonStatus: true }],
  ["v5.channel.k8s.io", { ...binary, jsonStatus: true, closeSignal: true }],
]);

/** All of them, as in Sec-WebSocket-Protocol. */
export const channelProtocolNames: readonly string[] = [...protocols.keys()];

/** `name` is one of `channelProtocolNames`; the binary one for all others. */
export function channelProtocol(name: string): ChannelProtocol {
  return protocols.get(name) ?? binary;
}

/** How many channels the first byte of a message can tell apart; as text it is ASCII. */
export function mostChannels(protocol: ChannelProtocol): number {
  return protocol.encoding === "binary" ? 256 : 128 - zero;
}

export type ChannelMessage =
  | { readonly type: "data"; readonly channel: number; readonly data: Buffer }
  /** The client sends nothing more on this channel. */
  | { readonly type: "close"; readonly channel: number }
  /** Says nothing. */
  | { readonly type: "empty" }
  /** Cannot be read; what follows cannot be trusted. */
  | { readonly type: "invalid"; readonly reason: string };

/** Reads one message, whether it came as text or as binary: clients mix them up, and the bytes say the same. */
export function decodeChannelMessage(message: Buffer, protocol: ChannelProtocol): ChannelMessage {
  const [first, second] = message;
  if (first === undefined) return { type: "empty" };
  if (protocol.closeSignal && first === closeSignal) {
    if (second === undefined || message.length !== 2) return { type: "invalid", reason: "a close names one channel" };
    return { type: "close", channel: second };
  }
  if (protocol.encoding === "binary") return { type: "data", channel: first, data: message.subarray(1) };
  if (first < zero) return { type: "invalid", reason: "the channel is no digit" };
  const data = decodeBase64(message.toString("latin1", 1));
  return data === undefined ? { type: "invalid", reason: "not base64" } : { type: "data", channel: first - zero, data };
}

/** One message out of a channel's bytes; put into `room` where it is binary and fits. */
export function encodeChannelMessage(
  channel: number,
  data: Buffer,
  protocol: ChannelProtocol,
  room?: Buffer,
): Buffer | string {
  if (protocol.encoding === "base64") return String.fromCharCode(zero + channel) + data.toString("base64");
  const length = 1 + data.length;
  const message = room !== undefined && length <= room.length ? room.subarray(0, length) : Buffer.allocUnsafe(length);
  message[0] = channel;
  data.copy(message, 1);
  return message;
}

/** Strict, for lost bytes would corrupt what is sent, but for line breaks and padding. */
function decodeBase64(text: string): Buffer | undefined {
  const whole = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, "") : text;
  const digits = whole.endsWith("==") ? whole.length - 2 : whole.endsWith("=") ? whole.length - 1 : whole.length;
  // A digit left over has no byte, and the lenient decoder passes over what is no digit: then bytes are missing.
  const data = Buffer.from(whole, "base64");
  return digits % 4 !== 1 && data.length === Math.floor((digits * 3) / 4) ? data : undefined;
}
