// Bytes to events: any chunking gives the same, half a line gives none.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { VirtualKubeletError } from "../errors.ts";
import type { WatchEvent } from "./client.ts";
import { pods } from "./resource.ts";
import type { Pod } from "./types.gen.ts";
import { decodeLine, decodeWatch, LineSplitter } from "./watch-stream.ts";

const options = { resource: pods, what: "watch pods" };

function line(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function pod(name: string, more: object = {}): object {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: "7" }, ...more };
}

async function* inChunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function events(text: string, sizes: readonly number[] = [Number.MAX_SAFE_INTEGER]): Promise<WatchEvent<Pod>[]> {
  const found: WatchEvent<Pod>[] = [];
  for await (const event of decodeWatch(inChunks(Buffer.from(text), sizes), options)) found.push(event);
  return found;
}

test("any chunking of a stream gives the same lines", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary" }).map((text) => text.replaceAll("\n", "|"))),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      (lines, sizes) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
        const splitter = new LineSplitter();
        const found: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          for (const piece of splitter.push(bytes.subarray(at, at + size))) found.push(piece.toString());
          at += size;
        }
        assert.deepEqual(found, lines);
        assert.equal(splitter.cut, false);
      },
    ),
  );
});

test("any chunking of a watch gives the same events, characters of several bytes included", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
      async (names, sizes) => {
        const text = names.map((name) => line("ADDED", pod(name))).join("");
        const found = await events(text, sizes);
        assert.deepEqual(
          found.map((event) => (event.type === "BOOKMARK" ? "" : event.object.metadata.name)),
          names,
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("a line of many chunks costs no more than its bytes", () => {
  const splitter = new LineSplitter();
  const chunk = Buffer.alloc(16_384, 97);
  const begun = process.cpuUsage();
  for (let i = 0; i < 2000; i++) assert.deepEqual([...splitter.push(chunk)], []);
  const [whole] = splitter.push(Buffer.from("\n"));
  assert.equal(whole?.length, 2000 * 16_384);
  const { user, system } = process.cpuUsage(begun);
  assert.ok(user + system < 2_000_000, `${user + system} µs for 32 MB`);
});

test("events", async (t) => {
  await t.test("objects get kind and apiVersion, and lose managedFields", async () => {
    const object = { metadata: { name: "a", uid: "1", resourceVersion: "2", managedFields: [{ manager: "x" }] } };
    const [event] = await events(line("MODIFIED", object));
    assert.ok(event !== undefined && event.type === "MODIFIED");
    assert.equal(event.object.kind, "Pod");
    assert.equal(event.object.apiVersion, "v1");
    assert.equal(event.object.metadata.managedFields, undefined);
  });

  await t.test("bookmarks", async () => {
    const bookmark = (annotations?: object): string =>
      line("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: "12", annotations } });
    assert.deepEqual(await events(bookmark() + bookmark({ "k8s.io/initial-events-end": "true" })), [
      { type: "BOOKMARK", resourceVersion: "12", initialEventsEnd: false },
      { type: "BOOKMARK", resourceVersion: "12", initialEventsEnd: true },
    ]);
  });

  await t.test("accept leaves out before anything is kept", async () => {
    const found: string[] = [];
    const text = line("ADDED", pod("a")) + line("ADDED", pod("b"));
    const accept = (object: Pod): boolean => object.metadata?.name === "b";
    for await (const event of decodeWatch(inChunks(Buffer.from(text), [7]), { ...options, accept }))
      found.push(event.type === "BOOKMARK" ? "" : event.object.metadata.name);
    assert.deepEqual(found, ["b"]);
  });

  await t.test("empty lines and unknown types are passed over", async () => {
    assert.deepEqual(await events(`\n${line("FUTURE", pod("a"))}\n`), []);
  });
});

test("failures", async (t) => {
  const status = (code: number, reason: string): string =>
    line("ERROR", { kind: "Status", status: "Failure", code, reason, message: "too old resource version: 1 (2)" });
  for (const [name, text, expected] of [
    ["410", status(410, "Expired"), { kind: "Expired", httpStatus: 410, reason: "Expired" }],
    ["429", status(429, "TooManyRequests"), { kind: "Throttled", httpStatus: 429 }],
    ["500", status(500, "InternalError"), { kind: "Unavailable", httpStatus: 500 }],
    ["an error without code", line("ERROR", {}), { kind: "Unavailable" }],
    ["no JSON", "{nonsense}\n", { kind: "Unavailable" }],
    ["no event", "[]\n", { kind: "Unavailable" }],
    ["no object", line("ADDED", null), { kind: "Unavailable" }],
    ["no uid", line("ADDED", { metadata: { name: "a", resourceVersion: "1" } }), { kind: "Unavailable" }],
    ["a bookmark without version", line("BOOKMARK", {}), { kind: "Unavailable" }],
  ] as const) {
    await t.test(name, () => assert.rejects(events(text), expected));
  }

  await t.test("half a line is never an event, even where it would parse", async () => {
    const found: unknown[] = [];
    const reading = (async () => {
      // All but the newline.
      const text = line("ADDED", pod("a")) + line("ADDED", pod("b")).slice(0, -1);
      for await (const event of decodeWatch(inChunks(Buffer.from(text), [11]), options)) found.push(event);
    })();
    await assert.rejects(reading, (error: VirtualKubeletError) => error.kind === "Unavailable");
    assert.equal(found.length, 1);
  });
});

test("long decoding lets timers run", async () => {
  const text = Array.from({ length: 4000 }, (_, i) =>
    line("ADDED", pod(`p${i}`, { spec: { nodeName: "x".repeat(500) } })),
  ).join("");
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const found = await events(text);
  clearInterval(timer);
  assert.equal(found.length, 4000);
  assert.ok(ticks >= 2, `${ticks} ticks`);
});

test("decodeLine takes an object whose text is not ASCII", () => {
  const event = decodeLine(Buffer.from(line("ADDED", pod("grüße-✓-日本")).trimEnd()), options);
  assert.equal(event !== undefined && event.type !== "BOOKMARK" && event.object.metadata.name, "grüße-✓-日本");
});
