// One measurement in a process of its own: reads the events of 10,000 pods into a cache, then 20,000 changes.
// Argument: "informer" (ours) or "plain" (a Map of what JSON.parse gives, with managedFields). Prints one line of JSON.

import { Informer } from "../../packages/virtual-kubelet/src/kube/informer.ts";
import { pods } from "../../packages/virtual-kubelet/src/kube/resource.ts";
import { decodeWatch, LineSplitter } from "../../packages/virtual-kubelet/src/kube/watch-stream.ts";
import { scriptedClient } from "../../packages/virtual-kubelet/src/testing/scripted-client.ts";
import { initialEnd, podEvent } from "./pod-events.ts";

const podCount = 10_000;
const changeCount = 20_000;
/** As HTTP/2 hands it over. */
const frame = 16_384;

const { gc } = globalThis;
if (gc === undefined) throw new Error("run with --expose-gc");
const collect = gc;

/** The bytes are made beforehand and lie outside of the heap. */
function frames(lines: Iterable<Buffer>): Buffer[] {
  const bytes = Buffer.concat([...lines]);
  return Array.from({ length: Math.ceil(bytes.length / frame) }, (_, n) => bytes.subarray(n * frame, (n + 1) * frame));
}
function* state(): Iterable<Buffer> {
  for (let n = 0; n < podCount; n++) yield podEvent("ADDED", n, n + 1);
  yield initialEnd(podCount);
}
function* changes(): Iterable<Buffer> {
  for (let n = 0; n < changeCount; n++) yield podEvent("MODIFIED", (n * 7919) % podCount, podCount + n + 1);
}
const parts = [frames(state()), frames(changes())] as const;
const eventBytes = parts[1].reduce((sum, { length }) => sum + length, 0) / changeCount;

function heap(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

interface Phase {
  readonly cpuUs: number;
  readonly heapBytes: number;
}
const before = heap();
const phases: Phase[] = [];
let begun = process.cpuUsage();
function phaseEnds(): void {
  const { user, system } = process.cpuUsage(begun);
  phases.push({ cpuUs: user + system, heapBytes: heap() - before });
  begun = process.cpuUsage();
}

async function informer(): Promise<void> {
  const done = new AbortController();
  async function* chunks(): AsyncIterable<Buffer> {
    yield* parts[0];
    phaseEnds();
    yield* parts[1];
    phaseEnds();
    done.abort();
  }
  let keys = 0;
  const client = scriptedClient({
    watch: (of, options) => decodeWatch(chunks(), { resource: of, what: "watch", accept: options?.accept }),
  });
  const onChange = (): void => {
    keys += 1;
  };
  const cache = new Informer({ client, resource: pods, onChange });
  await cache.run(done.signal);
  if (cache.size !== podCount || keys < podCount + changeCount) throw new Error(`${cache.size} pods, ${keys} changes`);
}

function plain(): void {
  const cache = new Map<string, unknown>();
  const lines = new LineSplitter();
  for (const part of parts) {
    for (const chunk of part) {
      for (const line of lines.push(chunk)) {
        const { object } = JSON.parse(line.toString());
        if (object.metadata.uid !== undefined) cache.set(object.metadata.uid, object);
      }
    }
    phaseEnds();
  }
  if (cache.size !== podCount) throw new Error(`${cache.size} pods`);
}

if (process.argv[2] === "informer") await informer();
else plain();
const [first, second] = phases;
if (first === undefined || second === undefined) throw new Error("nothing was measured");
console.log(
  JSON.stringify({
    eventBytes,
    readCpuUs: first.cpuUs / podCount,
    changeCpuUs: second.cpuUs / changeCount,
    podBytes: second.heapBytes / podCount,
  }),
);
