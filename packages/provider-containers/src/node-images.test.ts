import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Clock, type ContainerImage, type NodeReport, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { withImages } from "./node-images.ts";

/** Timers that are due when the test says so. */
class Ticks implements Clock {
  #due: (() => void)[] = [];
  now(): number {
    return 0;
  }
  schedule(_: number, callback: () => void): () => void {
    this.#due.push(callback);
    return () => {
      this.#due = this.#due.filter((one) => one !== callback);
    };
  }
  tick(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

describe("a node's reports with its images", () => {
  const context = { signal: new AbortController().signal, log: silentLogger };
  const a: ContainerImage = { names: ["a"], sizeBytes: 1 };
  const b: ContainerImage = { names: ["b"], sizeBytes: 2 };

  it("come when either changes, and end with the reports", async () => {
    const reports: PromiseWithResolvers<NodeReport | undefined>[] = [Promise.withResolvers()];
    async function* watch(): AsyncGenerator<NodeReport> {
      for (let report = await reports[0]?.promise; report !== undefined; report = await reports[0]?.promise)
        yield report;
    }
    const say = (report: NodeReport | undefined): void => {
      const waiting = reports.shift();
      reports.push(Promise.withResolvers());
      waiting?.resolve(report);
    };
    let images = [a];
    const clock = new Ticks();
    const all = withImages(watch, { nodeImages: async () => images }, clock, context);
    const first = all.next();
    say({ capacity: { cpu: "1" } });
    assert.deepEqual((await first).value, { capacity: { cpu: "1" }, images: [a] });
    const second = all.next();
    images = [b];
    await untilScheduled();
    clock.tick();
    assert.deepEqual((await second).value, { capacity: { cpu: "1" }, images: [b] });
    const third = all.next();
    say({ capacity: { cpu: "2" } });
    assert.deepEqual((await third).value, { capacity: { cpu: "2" }, images: [b] });
    const end = all.next();
    say(undefined);
    assert.equal((await end).done, true);
  });

  it("come without images as long as nobody knows them", async () => {
    async function* watch(): AsyncGenerator<NodeReport> {
      yield { labels: { a: "b" } };
    }
    const nodeImages = (): Promise<never> => Promise.reject(new Error("gone"));
    const all = withImages(watch, { nodeImages }, new Ticks(), context);
    assert.deepEqual((await all.next()).value, { labels: { a: "b" } });
    assert.equal((await all.next()).done, true);
  });

  it("end for who no longer asks, and their source with them", async () => {
    let ended = false;
    async function* watch({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<NodeReport> {
      yield {};
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      ended = true;
    }
    const all = withImages(watch, { nodeImages: async () => [] }, new Ticks(), context);
    await all.next();
    await all.return(undefined);
    assert.equal(ended, true);
  });
});

/** What is under way gets so far as to wait for a timer. */
async function untilScheduled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
