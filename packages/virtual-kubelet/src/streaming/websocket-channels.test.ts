import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  channelProtocol,
  channelProtocolNames,
  decodeChannelMessage,
  encodeChannelMessage,
  mostChannels,
} from "./websocket-channels.ts";

const ascii = (text: string): Buffer => Buffer.from(text, "latin1");

for (const { name, protocol, message, is } of [
  {
    name: "binary",
    protocol: "v4.channel.k8s.io",
    message: "\x01hello",
    is: { type: "data", channel: 1, data: "hello" },
  },
  { name: "no data", protocol: "channel.k8s.io", message: "\x00", is: { type: "data", channel: 0, data: "" } },
  { name: "nothing at all", protocol: "channel.k8s.io", message: "", is: { type: "empty" } },
  { name: "nothing as text", protocol: "base64.channel.k8s.io", message: "", is: { type: "empty" } },
  {
    name: "base64",
    protocol: "base64.channel.k8s.io",
    message: "0Zm9vCgo=",
    is: { type: "data", channel: 0, data: "foo\n\n" },
  },
  {
    name: "base64, two signs of padding",
    protocol: "v4.base64.channel.k8s.io",
    message: "1Zg==",
    is: { type: "data", channel: 1, data: "f" },
  },
  {
    name: "base64 without padding",
    protocol: "v4.base64.channel.k8s.io",
    message: "1Zg",
    is: { type: "data", channel: 1, data: "f" },
  },
  {
    name: "base64 in lines",
    protocol: "v4.base64.channel.k8s.io",
    message: "0Zm9v\r\nCgo=\n",
    is: { type: "data", channel: 0, data: "foo\n\n" },
  },
  {
    name: "base64 of nothing",
    protocol: "v4.base64.channel.k8s.io",
    message: "4",
    is: { type: "data", channel: 4, data: "" },
  },
  {
    name: "no base64",
    protocol: "base64.channel.k8s.io",
    message: "0Zm9v!",
    is: { type: "invalid", reason: "not base64" },
  },
  {
    name: "base64 with a digit too many",
    protocol: "base64.channel.k8s.io",
    message: "0Zm9vC",
    is: { type: "invalid", reason: "not base64" },
  },
  {
    name: "base64 with padding in the middle",
    protocol: "base64.channel.k8s.io",
    message: "0Zg==Zg==",
    is: { type: "invalid", reason: "not base64" },
  },
  {
    name: "base64 with its channel as a number",
    protocol: "base64.channel.k8s.io",
    message: "\x00Zg==",
    is: { type: "invalid", reason: "the channel is no digit" },
  },
  { name: "close", protocol: "v5.channel.k8s.io", message: "\xff\x00", is: { type: "close", channel: 0 } },
  {
    name: "close of a channel that is none",
    protocol: "v5.channel.k8s.io",
    message: "\xff\xc8",
    is: { type: "close", channel: 200 },
  },
  {
    name: "close of nothing",
    protocol: "v5.channel.k8s.io",
    message: "\xff",
    is: { type: "invalid", reason: "a close names one channel" },
  },
  {
    name: "close with more",
    protocol: "v5.channel.k8s.io",
    message: "\xff\x00\x01",
    is: { type: "invalid", reason: "a close names one channel" },
  },
  {
    name: "no close before v5",
    protocol: "v4.channel.k8s.io",
    message: "\xff\x00",
    is: { type: "data", channel: 255, data: "\x00" },
  },
]) {
  test(`a message is read: ${name}`, () => {
    const read = decodeChannelMessage(ascii(message), channelProtocol(protocol));
    assert.deepEqual("data" in read ? { ...read, data: read.data.toString("latin1") } : read, is);
  });
}

const protocols = fc.constantFrom(...channelProtocolNames).map(channelProtocol);

test("what is written is read as it was", () => {
  fc.assert(
    fc.property(protocols, fc.nat(254), fc.uint8Array({ maxLength: 300 }), (protocol, number, bytes) => {
      const channel = number % Math.min(255, mostChannels(protocol));
      const message = encodeChannelMessage(channel, Buffer.from(bytes), protocol);
      assert.equal(typeof message === "string", protocol.encoding === "base64");
      const read = decodeChannelMessage(Buffer.from(message), protocol);
      assert.deepEqual(read, { type: "data", channel, data: Buffer.from(bytes) });
    }),
  );
});

test("whatever comes is read without a throw, and never grows", () => {
  const text = fc.string({ unit: fc.constantFrom(..."0149Zm9vQ=-_+/\r\n !\u00ff"), maxLength: 60 }).map(ascii);
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(protocols, fc.oneof(text, bytes), (protocol, message) => {
      const read = decodeChannelMessage(message, protocol);
      if (read.type === "data") assert.ok(read.data.length < message.length);
      if (read.type === "close") assert.ok(protocol.closeSignal);
    }),
  );
});

test("base64 that is no base64 is never taken for less than it says", () => {
  fc.assert(
    fc.property(
      fc.base64String({ minLength: 4, maxLength: 80 }),
      fc.nat(),
      fc.constantFrom("!", " ", "\u00ff", "~"),
      (text, at, wrong) => {
        const place = at % (text.length + 1);
        const message = ascii(`0${text.slice(0, place)}${wrong}${text.slice(place)}`);
        assert.equal(decodeChannelMessage(message, channelProtocol("base64.channel.k8s.io")).type, "invalid");
      },
    ),
  );
});

test("a message is put into the room that it is given, if it fits", () => {
  const protocol = channelProtocol("v5.channel.k8s.io");
  const room = Buffer.alloc(4);
  for (const [text, isInRoom] of [
    ["abc", true],
    ["a", true],
    ["abcd", false],
  ] as const) {
    const message = encodeChannelMessage(1, Buffer.from(text), protocol, room);
    assert.ok(Buffer.isBuffer(message));
    assert.equal(message.toString("latin1"), `\u0001${text}`);
    assert.equal(message.buffer === room.buffer && message.byteOffset === room.byteOffset, isInRoom);
  }
});
