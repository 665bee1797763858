// One backend watched in fake time: the order of stream and listing, the pace of polls and of tries, what hangs and what breaks.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { PodReport, PodUpdate } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type BackendWatcherOptions, watchBackend } from "./backend-watcher.ts";

const second = 1000;
const minute = 60_000;
const owner = { cluster: "c", node: "n", namespace: "d", name: "a", uid: "u" };
const report: PodReport = { owner, containers: [] };
const unsupported = (): Promise<never> => Promise.reject(new VirtualKubeletError("Unsupported", "not here"));

class Watched implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  /** What the sink was told, and when (seconds since the start). */
  readonly told: string[] = [];
  /** When listings began, ms since the start. */
  readonly listings: number[] = [];
  readonly warnings: string[] = [];
  moving = false;
  readonly #began = this.clock.now();
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  run(provider: Partial<Provider>, options: Partial<BackendWatcherOptions> = {}): void {
    const getPods = provider.getPods?.bind(provider) ?? (() => Promise.resolve([]));
    const log = { ...silentLogger, warn: (_: unknown, message: string) => this.warnings.push(message) };
    this.#running = watchBackend(
      {
        node: "n",
        provider: {
          createPod: unsupported,
          deletePod: unsupported,
          getPodStatus: unsupported,
          ...provider,
          getPods: (context) => {
            this.listings.push(this.clock.now() - this.#began);
            return getPods(context);
          },
        },
        sink: {
          listed: (reports) => this.#tell(`listed ${reports.length}`),
          reported: () => this.#tell("report"),
          gone: () => this.#tell("gone"),
          event: ({ reason }) => this.#tell(`event ${reason}`),
          trouble: (message) => this.#tell(message === undefined ? "well" : `trouble: ${message}`),
          inMotion: () => this.moving,
        },
        clock: this.clock,
        random: () => 0.5,
        log: { ...log, child: () => log },
        pollMinMs: second,
        pollMaxMs: 30 * second,
        resyncMs: minute,
        callTimeoutMs: 2 * minute,
        ...options,
      },
      this.#end.signal,
    );
  }

  async end(ms = 2 * second): Promise<boolean> {
    let hasEnded = false;
    void this.#running.then(() => {
      hasEnded = true;
    });
    this.#end.abort();
    await this.clock.advance(ms);
    return hasEnded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    assert.ok(await this.end(), "the watcher did not end");
    assert.equal(this.clock.pending, 0, "a timer is left");
  }

  #tell(what: string): void {
    this.told.push(what);
  }
}

/** Yields what is pushed, until it is cut. */
class Pushes {
  readonly #pending: PodUpdate[] = [];
  #wake: () => void = () => {};
  #error: VirtualKubeletError | undefined;
  opened = 0;

  readonly watchPods = ({ signal }: { readonly signal: AbortSignal }): AsyncIterable<PodUpdate> => {
    this.opened += 1;
    this.#error = undefined;
    signal.addEventListener("abort", () => this.#wake());
    return this.#read(signal);
  };

  push(update: PodUpdate): void {
    this.#pending.push(update);
    this.#wake();
  }

  cut(): void {
    this.#error = new VirtualKubeletError("Unavailable", "cut");
    this.#wake();
  }

  async *#read(signal: AbortSignal): AsyncGenerator<PodUpdate> {
    while (!signal.aborted) {
      for (let update = this.#pending.shift(); update !== undefined; update = this.#pending.shift()) yield update;
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe("polling", () => {
  it("slows down while nothing moves, to the longest pause", async () => {
    await using watched = new Watched();
    watched.run({});
    await watched.clock.advance(10 * minute);
    const gaps = watched.listings.slice(1).map((at, index) => at - (watched.listings[index] ?? 0));
    assert.ok((gaps[0] ?? 0) <= 2 * second);
    assert.equal(gaps.at(-1), 30 * second);
    assert.ok(
      gaps.every((gap, index) => index === 0 || gap >= (gaps[index - 1] ?? 0)),
      "never faster",
    );
  });

  it("spreads its pauses by a fifth", async () => {
    for (const [random, expected] of [
      [0, 24],
      [1, 36],
    ] as const) {
      await using watched = new Watched();
      watched.run({}, { random: () => random });
      await watched.clock.advance(10 * minute);
      const [before, last] = watched.listings.slice(-2);
      assert.equal(((last ?? 0) - (before ?? 0)) / second, expected);
    }
  });

  it("is quick while something moves, and soon after something begins to", async () => {
    await using watched = new Watched();
    watched.run({});
    await watched.clock.advance(5 * minute);
    watched.listings.length = 0;
    watched.moving = true;
    await watched.clock.advance(second);
    assert.equal(watched.listings.length, 1);
    await watched.clock.advance(9 * second);
    assert.ok(watched.listings.length >= 9);
  });
});

describe("a listing", () => {
  it("that fails is tried again with back-off, for ever, and told once", async () => {
    await using watched = new Watched();
    watched.run({ getPods: () => Promise.reject(new VirtualKubeletError("Unavailable", "down")) });
    await watched.clock.advance(30 * minute);
    assert.ok(watched.listings.length > 50 && watched.listings.length < 100, `${watched.listings.length} listings`);
    assert.ok(watched.told.every((what) => what === "trouble: down"));
    assert.equal(watched.warnings.length, 1);
  });

  it("is not tried before the backend wants it", async () => {
    await using watched = new Watched();
    const error = new VirtualKubeletError("Throttled", "slow down", { retryAfterMs: 45 * second });
    watched.run({ getPods: () => Promise.reject(error) });
    await watched.clock.advance(44 * second);
    assert.equal(watched.listings.length, 1);
    await watched.clock.advance(2 * second);
    assert.equal(watched.listings.length, 2);
  });

  it("that throws at once is a failure like any other", async () => {
    await using watched = new Watched();
    watched.run({
      getPods: () => {
        throw new VirtualKubeletError("Internal", "bug");
      },
    });
    await watched.clock.advance(second);
    assert.equal(watched.told[0], "trouble: bug");
  });

  it("that hangs, whatever its signal says, is given up after its time", async () => {
    await using watched = new Watched();
    let calls = 0;
    watched.run({ getPods: () => (calls++ === 0 ? new Promise(() => {}) : Promise.resolve([report])) });
    await watched.clock.advance(119 * second);
    assert.deepEqual(watched.told, []);
    await watched.clock.advance(3 * second);
    assert.deepEqual(watched.told.slice(0, 3), ["trouble: no listing within 120 s", "listed 1", "well"]);
  });

  it("that hangs does not hold up the end", async () => {
    const watched = new Watched();
    watched.run({ getPods: () => new Promise(() => {}) });
    await watched.clock.advance(second);
    assert.ok(await watched.end());
  });
});

describe("a push stream", () => {
  it("is open before the listing, and read beside it", async () => {
    await using watched = new Watched();
    const pushes = new Pushes();
    const listing = Promise.withResolvers<readonly PodReport[]>();
    watched.run({
      watchPods: pushes.watchPods,
      getPods: () => {
        assert.equal(pushes.opened, 1);
        return listing.promise;
      },
    });
    pushes.push({ type: "report", report });
    await watched.clock.advance(10);
    assert.deepEqual(watched.told, ["report"]);
    listing.resolve([]);
    await watched.clock.advance(10);
    assert.deepEqual(watched.told, ["report", "listed 0", "well"]);
    pushes.push({ type: "gone", owner });
    await watched.clock.advance(10);
    assert.equal(watched.told.at(-1), "gone");
  });

  it("that is cut is opened again, with a listing for what was missed", async () => {
    await using watched = new Watched();
    const pushes = new Pushes();
    watched.run({ watchPods: pushes.watchPods });
    await watched.clock.advance(30 * second);
    pushes.cut();
    await watched.clock.advance(second);
    assert.equal(pushes.opened, 2);
    assert.equal(watched.listings.length, 2, "one at the start, one after the cut");
    pushes.push({ type: "report", report });
    await watched.clock.advance(10);
    assert.equal(watched.told.at(-1), "report");
  });

  it("goes with a full listing now and then", async () => {
    await using watched = new Watched();
    watched.run({ watchPods: new Pushes().watchPods });
    await watched.clock.advance(10 * minute + second);
    assert.ok(watched.listings.length >= 10 && watched.listings.length <= 12, `${watched.listings.length}`);
  });

  it("that breaks again and again backs off, and is told once", async () => {
    await using watched = new Watched();
    watched.run({
      watchPods: () => {
        throw new VirtualKubeletError("Unavailable", "no pushes today");
      },
    });
    await watched.clock.advance(10 * minute);
    assert.ok(watched.listings.length < 60, `${watched.listings.length} listings`);
    assert.equal(watched.warnings.length, 1);
    assert.ok(watched.told.includes("listed 0"), "without pushes the backend is still listed");
  });

  it("that ends at once, after good listings, backs off too; what moves is polled for", async () => {
    for (const moving of [false, true]) {
      await using watched = new Watched();
      watched.moving = moving;
      watched.run({ watchPods: async function* () {} });
      await watched.clock.advance(10 * minute);
      const { length } = watched.listings;
      if (moving) assert.ok(length > 500 && length < 660, `${length} listings`);
      else assert.ok(length < 60, `${length} listings`);
      assert.equal(watched.warnings.length, 1);
      assert.ok(watched.told.includes("listed 0"));
    }
  });

  it("that does not heed its signal does not hold up the end, and is not read any more", async () => {
    const watched = new Watched();
    let push = (): void => {};
    watched.run({
      watchPods: async function* () {
        for (;;) {
          await new Promise<void>((resolve) => {
            push = resolve;
          });
          yield { type: "report", report } as const;
        }
      },
    });
    await watched.clock.advance(second);
    assert.ok(await watched.end());
    push();
    await watched.clock.advance(second);
    assert.ok(!watched.told.includes("report"));
  });
});
