import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type CallContext,
  type Clock,
  type ImageCredential,
  isErrorKind,
  silentLogger,
} from "@virtual-kubelet/virtual-kubelet";
import { imageReference } from "./image-names.ts";
import { Images } from "./images.ts";
import { GiB, MemoryImageEngine } from "./testing/memory-image-engine.ts";

const config = {
  ...{ highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeSeconds: 120 },
  ...{ parallelPulls: 2, defaultRegistries: [] },
};
const app = "r.example/team/app:1";
const minute = 60_000;

function user(username: string, password = "p"): ImageCredential {
  return { registry: "r.example/team", username, password };
}

function contextOf(signal: AbortSignal = new AbortController().signal): CallContext {
  return { signal, log: silentLogger };
}
const context = contextOf();

class Bench implements AsyncDisposable {
  readonly engine: MemoryImageEngine = new MemoryImageEngine();
  readonly directory: string;
  now = 0;
  readonly #clock: Clock = { now: () => this.now, schedule: () => () => undefined };

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<Bench> {
    return new Bench(await mkdtemp(join(tmpdir(), "vk-images-")));
  }

  /** As a program that begins. */
  images(): Promise<Images> {
    const { client } = this.engine;
    const options = { client, stateDirectory: this.directory, config, clock: this.#clock, log: silentLogger };
    return Images.open({ ...options, disk: () => this.engine.disk }, context);
  }

  get record(): string {
    return readFileSync(join(this.directory, "images.json"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** Until a condition holds that needs no more than that what is under way goes on. */
async function soon(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < 10_000, "it does not come to be");
    await nextTurn();
  }
}

describe("a pull", () => {
  it("tells the digest, the size and how long it took", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    assert.equal(await images.status(app, context), undefined);
    const held = Promise.withResolvers<void>();
    engine.hold = held.promise;
    const pull = images.pull(app, [], context);
    await soon(() => engine.running === 1);
    bench.now = 1500;
    held.resolve();
    assert.deepEqual(await pull, { reference: "r.example/team/app@sha256:1", size: GiB, pullMs: 1500 });
    assert.equal(await images.status(app, context), "r.example/team/app@sha256:1");
    assert.deepEqual(engine.pulls, [`${app} nobody`]);
  });

  it("tries the credentials in order, and tells each text of theirs once", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1", users: ["c"] });
    const images = await bench.images();
    await assert.rejects(images.pull(app, [user("a"), user("b")], context), (error) => {
      assert.ok(isErrorKind(error, "Unauthorized"));
      assert.match(String(error), /: authentication required$/);
      return true;
    });
    assert.equal((await images.pull(app, [user("a"), user("c"), user("d")], context)).size, GiB);
    assert.deepEqual(
      engine.pulls.map((one) => one.slice(app.length + 1)),
      ["a", "b", "a", "c"],
    );
  });

  it("is one for all who ask for it with the same credentials, and one at a time of an image", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1" });
    const held = Promise.withResolvers<void>();
    engine.hold = held.promise;
    const images = await bench.images();
    const pulls = [user("a"), user("a"), user("b"), user("a", "other")].map((one) => images.pull(app, [one], context));
    await soon(() => engine.running === 1);
    held.resolve();
    await Promise.all(pulls);
    assert.deepEqual([engine.pulls.length, engine.most], [3, 1]);
  });

  it("is held back while as many as may be are under way", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    const held = Promise.withResolvers<void>();
    engine.hold = held.promise;
    const images = await bench.images();
    const names = ["a", "b", "c", "d", "e"].map((name) => `r.example/${name}:1`);
    for (const [index, name] of names.entries()) engine.registry.set(name, { id: `sha256:${index}` });
    const pulls = names.map((name) => images.pull(name, [], context));
    await soon(() => engine.running === 2);
    held.resolve();
    await Promise.all(pulls);
    assert.deepEqual([engine.pulls.length, engine.most], [5, 2]);
  });

  it("goes on while anybody waits for it, and ends with the last", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1" });
    engine.hold = new Promise(() => undefined);
    const images = await bench.images();
    const [one, two] = [new AbortController(), new AbortController()];
    const pulls = [one, two].map(({ signal }) => images.pull(app, [], contextOf(signal)));
    await soon(() => engine.running === 1);
    one.abort();
    await assert.rejects(pulls[0] ?? Promise.resolve(), { name: "AbortError" });
    assert.equal(engine.running, 1);
    two.abort();
    await assert.rejects(pulls[1] ?? Promise.resolve(), { name: "AbortError" });
    await soon(() => engine.running === 0);
    engine.hold = undefined;
    await images.pull(app, [], context);
    assert.equal(engine.pulls.length, 2);
  });
});

describe("who may have an image that is here", () => {
  it("those with whose credentials it was pulled, after a restart too, and those that pulled it themselves", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a", "b"] });
    const before = await bench.images();
    await before.pull(app, [user("wrong"), user("a")], context);
    const images = await bench.images();
    const may = (...credentials: ImageCredential[]) => images.mayUse(app, credentials, context);
    assert.deepEqual(
      await Promise.all([may(), may(user("wrong")), may(user("a")), may(user("b")), may(user("a", "changed"))]),
      [false, false, true, false, false],
    );
    await images.pull(app, [user("b")], context);
    assert.deepEqual(await Promise.all([may(user("a")), may(user("x"), user("b"))]), [true, true]);
  });

  it("everybody, where nobody's credentials were needed", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    await images.pull(app, [], context);
    assert.equal(await images.mayUse(app, [], context), true);
  });

  it("everybody, where it was there before, even if it is pulled again", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    bench.engine.put("sha256:1", [app]);
    const images = await bench.images();
    await images.pull(app, [user("a")], context);
    assert.equal(await images.mayUse(app, [], context), true);
  });

  it("everybody, by a name that others have given it", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    bench.engine.put("sha256:1", ["localhost/app:1"]);
    const images = await bench.images();
    await images.pull(app, [user("a")], context);
    const may = (name: string) => images.mayUse(name, [], context);
    assert.deepEqual(await Promise.all([may(app), may("team/app:1"), may("localhost/app:1")]), [false, false, true]);
  });

  it("nobody without asking its registry, where the program died while it was pulled", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    engine.hold = new Promise(() => undefined);
    const dead = new AbortController();
    const pull = (await bench.images()).pull(app, [user("a")], contextOf(dead.signal));
    await soon(() => engine.running === 1);
    dead.abort();
    await assert.rejects(pull);
    engine.put("sha256:1", [app]);
    const images = await bench.images();
    assert.equal(await images.mayUse(app, [user("a")], context), false);
    await images.removeUnused(context);
    assert.equal(await images.mayUse(app, [user("a")], context), false);
    engine.hold = undefined;
    await images.pull(app, [user("a")], context);
    assert.equal(await images.mayUse(app, [user("a")], context), true);
  });

  it("is written down for nobody to read, without the credentials", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    await (await bench.images()).pull(app, [user("a", "secret-word")], context);
    assert.equal(statSync(join(bench.directory, "images.json")).mode & 0o777, 0o600);
    assert.doesNotMatch(bench.record, /secret-word/);
  });
});

describe("when the engine's disk is too full", () => {
  async function filled(): Promise<{ readonly bench: Bench; readonly images: Images }> {
    const bench = await Bench.make();
    const { engine } = bench;
    engine.put("sha256:theirs", ["r.example/theirs:1"]);
    const images = await bench.images();
    for (const name of ["old", "used", "older", "new"]) {
      engine.registry.set(`r.example/${name}:1`, { id: `sha256:${name}` });
      bench.now += 10 * minute;
      await images.pull(`r.example/${name}:1`, [], context);
    }
    engine.containers.push("sha256:used", "sha256:theirs");
    // Asked for again since.
    await images.status("r.example/old:1", context);
    return { bench, images };
  }
  /** An image has one; from three on there are too few, and there are to be four. */
  const free = (images: number) => ({ totalBytes: 20 * GiB, availableBytes: images * GiB });

  /** One look, and what is left of five images. */
  async function looked({ engine }: Bench, images: Images): Promise<readonly string[]> {
    const stop = new AbortController();
    const before = engine.looks;
    const run = images.run(stop.signal);
    await soon(() => engine.looks > before);
    stop.abort();
    await run;
    return engine.tags.map((tag) => tag.replace("r.example/", "").replace(":1", ""));
  }

  it("nothing goes below the threshold", async () => {
    const { bench, images } = await filled();
    await using _ = bench;
    bench.now += 10 * minute;
    bench.engine.disk = free(3.2);
    assert.equal((await looked(bench, images)).length, 5);
  });

  const rows: readonly (readonly [string, number, readonly string[]])[] = [
    ["the longest unused goes first", 3, ["new", "old", "theirs", "used"]],
    ["and as many as are needed", 2, ["new", "theirs", "used"]],
    ["but none that is used, or not ours", 0, ["theirs", "used"]],
  ];
  for (const countsContainers of [true, false])
    for (const [what, available, left] of rows)
      it(`${what}, where the engine ${countsContainers ? "counts" : "does not count"} who uses them`, async () => {
        const { bench, images } = await filled();
        await using _ = bench;
        bench.now += 10 * minute;
        bench.engine.countsContainers = countsContainers;
        bench.engine.disk = free(available);
        assert.deepEqual(await looked(bench, images), left);
      });

  it("what was pulled or asked for just now stays", async () => {
    const { bench, images } = await filled();
    await using _ = bench;
    bench.engine.disk = free(0);
    assert.deepEqual(await looked(bench, images), ["new", "old", "theirs", "used"]);
    bench.now += 3 * minute;
    assert.deepEqual(await looked(bench, images), ["theirs", "used"]);
  });

  it("they go by what an earlier process wrote down", async () => {
    const { bench, images } = await filled();
    await using _ = bench;
    await looked(bench, images);
    bench.now += 10 * minute;
    bench.engine.disk = free(3);
    assert.deepEqual(await looked(bench, await bench.images()), ["new", "old", "theirs", "used"]);
  });

  it("names that others gave stay, and so does their image", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    await images.pull(app, [], context);
    engine.put("sha256:1", [app, "localhost/mine:1"]);
    bench.now += 10 * minute;
    assert.equal(await images.removeUnused(context), 0);
    assert.deepEqual(engine.tags, ["localhost/mine:1"]);
    bench.now += 10 * minute;
    await images.removeUnused(context);
    assert.deepEqual(engine.tags, ["localhost/mine:1"]);
  });

  it("what a newer one of the same name has replaced goes too", async () => {
    await using bench = await Bench.make();
    const { engine } = bench;
    const images = await bench.images();
    for (const id of ["sha256:1", "sha256:2"]) {
      engine.registry.set(app, { id });
      await images.pull(app, [], context);
    }
    assert.equal(engine.images.size, 2);
    bench.now += 10 * minute;
    assert.equal(await images.removeUnused(context), 2 * GiB);
    assert.equal(engine.images.size, 0);
  });

  it("they go although nothing can be written down any more", async () => {
    const { bench, images } = await filled();
    bench.now += 10 * minute;
    bench.engine.disk = free(0);
    await bench[Symbol.asyncDispose]();
    assert.deepEqual(await looked(bench, images), ["theirs", "used"]);
  });

  it("the disk of an engine elsewhere is not seen, and all stay", async () => {
    const { bench } = await filled();
    await using _ = bench;
    bench.now += 10 * minute;
    bench.engine.disk = free(0);
    Object.assign(bench.engine.client, { address: { type: "ssh", host: "r.example", port: 22, username: "u" } });
    assert.equal((await looked(bench, await bench.images())).length, 5);
  });
});

describe("names of images", () => {
  const digests = ["r.example/other@sha256:2", "r.example/team/app@sha256:1", "r.example/team/app@sha256:3"];
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    ["r.example/team/app:1", digests, "r.example/team/app@sha256:1"],
    ["team/app:1", digests, "r.example/team/app@sha256:1"],
    ["team/app@sha256:3", digests, "r.example/team/app@sha256:3"],
    ["localhost/mine", digests, "r.example/other@sha256:2"],
    ["team/app", [], "sha256:id"],
  ];
  for (const [image, known, reference] of rows)
    it(`${image} is ${reference}`, () =>
      assert.equal(imageReference({ id: "sha256:id", digests: known }, image), reference));

  it("are told of the node, digests before tags, and anew after a pull", async () => {
    await using bench = await Bench.make();
    bench.engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    assert.deepEqual(await images.nodeImages(context), []);
    await images.pull(app, [], context);
    const names = ["r.example/team/app@sha256:1", app];
    assert.deepEqual(await images.nodeImages(context), [{ names, sizeBytes: GiB }]);
  });
});
