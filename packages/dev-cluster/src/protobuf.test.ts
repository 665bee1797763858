import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeProtobuf } from "./protobuf.ts";

/** A length-delimited field. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

function integer(number: number, value: number): Buffer {
  return Buffer.from([number << 3, value]);
}

function documentOf(apiVersion: string, kind: string, ...fields: Buffer[]): Buffer {
  const typeMeta = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([
    Buffer.from("k8s\0"),
    field(1, typeMeta),
    field(2, Buffer.concat(fields)),
    field(3, ""),
    field(4, ""),
  ]);
}

test("a document is what its JSON would be", () => {
  const metadata = Buffer.concat([field(1, "a"), field(2, ""), field(8, "")]);
  const data = Buffer.concat([field(1, "key"), field(2, "value")]);
  const binary = Buffer.concat([field(1, "b"), field(2, Buffer.from([1, 2]))]);
  assert.deepEqual(
    decodeProtobuf(documentOf("v1", "ConfigMap", field(1, metadata), field(2, data), field(3, binary))),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a" },
      data: { key: "value" },
      binaryData: { b: "AQI=" },
    },
  );
});

test("a zero stays where it may be absent, and goes where it says nothing", () => {
  const metadata = field(1, field(1, "d"));
  // replicas is a pointer in Go, minReadySeconds is none.
  const spec = field(2, Buffer.concat([integer(1, 0), integer(5, 0)]));
  assert.deepEqual(decodeProtobuf(documentOf("apps/v1", "Deployment", metadata, spec)), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { replicas: 0 },
  });
});

test("what is embedded stands beside the others", () => {
  const source = field(2, field(2, field(1, "")));
  const volume = Buffer.concat([field(1, "v"), source]);
  const decoded = decodeProtobuf(documentOf("v1", "Pod", field(2, field(1, volume))));
  assert.deepEqual(decoded["spec"], { volumes: [{ name: "v", emptyDir: {} }] });
});

const refused: readonly (readonly [string, Buffer])[] = [
  ["something else", Buffer.from("{}")],
  ["an unknown kind", documentOf("v1", "Nothing")],
  ["a document that is cut off", documentOf("v1", "ConfigMap", Buffer.from([10, 100]))],
];
for (const [what, body] of refused) {
  test(`${what} is refused`, () => assert.throws(() => decodeProtobuf(body), { code: 400 }));
}
