import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import fc from "fast-check";
import { type AgentMessage, decodeAgentMessage, encodeAgentMessage } from "./agent-message.ts";

const message = fc.record<AgentMessage>(
  {
    messageType: fc.stringMatching(/^[a-z_]{1,32}$/),
    schemaVersion: fc.nat(0xffff_ffff),
    createdDate: fc.nat(Number.MAX_SAFE_INTEGER),
    sequenceNumber: fc.nat(Number.MAX_SAFE_INTEGER),
    flags: fc.nat(3),
    messageId: fc.uuid(),
    payloadType: fc.nat(0xffff_ffff),
    payload: fc.uint8Array({ maxLength: 1024 }).map((bytes) => Uint8Array.from(bytes)),
  },
  { noNullPrototype: true },
);

const example: AgentMessage = {
  messageType: "input_stream_data",
  schemaVersion: 1,
  createdDate: 0x0102_0304_0506,
  sequenceNumber: 7,
  flags: 1,
  messageId: "00112233-4455-6677-8899-aabbccddeeff",
  payloadType: 3,
  payload: Uint8Array.from([0x7b, 0x7d]),
};

describe("the codec of agent messages", () => {
  it("puts each field where the protocol has it", () => {
    const bytes = Buffer.from(encodeAgentMessage(example));
    const expected = [
      "00000074",
      Buffer.from("input_stream_data".padEnd(32)).toString("hex"),
      "00000001",
      "0000010203040506",
      "0000000000000007",
      "0000000000000001",
      "8899aabbccddeeff0011223344556677",
      createHash("sha256").update("{}").digest("hex"),
      "00000003",
      "00000002",
      "7b7d",
    ];
    assert.equal(bytes.toString("hex"), expected.join(""));
  });

  it("reads what it wrote", () => {
    fc.assert(fc.property(message, (each) => assert.deepEqual(decodeAgentMessage(encodeAgentMessage(each)), each)));
  });

  it("refuses a message that is cut, or whose payload was changed", () => {
    fc.assert(
      fc.property(message, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (each, part) => {
        const bytes = encodeAgentMessage(each);
        const cut = bytes.subarray(0, Math.floor(bytes.length * part));
        assert.throws(
          () => decodeAgentMessage(cut),
          (error) => isErrorKind(error, "Unavailable"),
        );
        if (each.payload.length === 0) return;
        const place = 120 + Math.floor(each.payload.length * part);
        bytes[place] = (bytes[place] ?? 0) ^ 1;
        assert.throws(() => decodeAgentMessage(bytes), /digest/);
      }),
    );
  });

  it("throws only errors of its own at any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeAgentMessage(bytes);
        } catch (error) {
          assert.ok(isErrorKind(error, "Unavailable"), String(error));
        }
      }),
    );
  });

  it("takes messages that only steer, whatever their length says", () => {
    const bytes = Buffer.from(encodeAgentMessage({ ...example, messageType: "pause_publication" }));
    bytes.writeUInt32BE(0, 0);
    assert.equal(decodeAgentMessage(bytes).messageType, "pause_publication");
    assert.equal(decodeAgentMessage(bytes).payload.length, 0);
  });
});
