import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Images } from "./images.ts";
import { app, context, ImagesBench, soon } from "./testing/images-bench.ts";
import { GiB } from "./testing/memory-image-engine.ts";

const minute = 60_000;

describe("when the engine's disk is too full", () => {
  async function filled(): Promise<{ readonly bench: ImagesBench; readonly images: Images }> {
    const bench = await ImagesBench.make();
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
  async function looked({ engine }: ImagesBench, images: Images): Promise<readonly string[]> {
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
