import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkRequest, checkStatus, httpStatus, isGrpc, rpcStatus, statusName } from "./probe-grpc-message.ts";

const frame = (...message: readonly number[]): Buffer =>
  Buffer.from([0, 0, 0, message.length >> 8, message.length & 255, ...message]);

test("requests", () => {
  assert.deepEqual(checkRequest(""), frame());
  assert.deepEqual(checkRequest("ab"), frame(0x0a, 2, 0x61, 0x62));
  const long = checkRequest("x".repeat(300));
  assert.deepEqual(long.subarray(0, 8), Buffer.from([0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02]));
  assert.equal(long.length, 8 + 300);
});

test("answers", () => {
  const table: readonly [Buffer, number | undefined][] = [
    [frame(), 0],
    [frame(8, 1), 1],
    [frame(8, 2), 2],
    [frame(8, 2, 8, 1), 1],
    [frame(8, 0x80, 0x01), 128],
    [frame(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), -1],
    // Fields of a later version of the message.
    [frame(0x12, 2, 0x61, 0x62, 8, 1), 1],
    [frame(0x11, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1), 1],
    [frame(0x15, 1, 2, 3, 4, 8, 1), 1],
    [frame(0x18, 5, 8, 1), 1],
    [Buffer.from([]), undefined],
    [Buffer.from([0, 0, 0, 0]), undefined],
    [Buffer.from([0, 0, 0, 0, 9, 8, 1]), undefined],
    [Buffer.from([0, 0, 0, 0, 2, 8, 1, 0]), undefined],
    [Buffer.from([1, 0, 0, 0, 2, 8, 1]), undefined],
    [frame(8), undefined],
    [frame(8, 0x80), undefined],
    [frame(0x12, 3, 1), undefined],
    [frame(0x0b, 1), undefined],
    [frame(0, 1), undefined],
  ];
  for (const [bytes, status] of table) assert.equal(checkStatus(bytes), status, bytes.toString("hex"));
});

test("no bytes do any harm", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const status = checkStatus(frame(...bytes));
      assert.ok(status === undefined || Number.isInteger(status));
      checkStatus(Buffer.from(bytes));
    }),
  );
});

test("names of statuses", () => {
  const names = [0, 1, 2, 3, 4, -1].map(statusName);
  assert.deepEqual(names, ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN", "4", "-1"]);
});

test("what the trailers say", () => {
  assert.deepEqual(rpcStatus("0", undefined), { code: "OK", message: "" });
  assert.deepEqual(rpcStatus("5", "unknown service"), { code: "NotFound", message: "unknown service" });
  assert.deepEqual(rpcStatus("12", "h%C3%BCh %zz%"), { code: "Unimplemented", message: "hüh %zz%" });
  assert.deepEqual(rpcStatus("99", ""), { code: "Code(99)", message: "" });
  assert.equal(rpcStatus("x", ""), undefined);
  assert.equal(rpcStatus(undefined, ""), undefined);
});

test("what is no gRPC", () => {
  assert.equal(isGrpc("application/grpc"), true);
  assert.equal(isGrpc("application/grpc+proto"), true);
  assert.equal(isGrpc("application/grpc-web"), false);
  assert.equal(isGrpc(undefined), false);
  assert.equal(httpStatus(404, "text/html").code, "Unimplemented");
  assert.equal(httpStatus(503, undefined).code, "Unavailable");
  assert.deepEqual(httpStatus(200, "text/html"), {
    code: "Unknown",
    message: 'transport: received unexpected content-type "text/html"',
  });
});
