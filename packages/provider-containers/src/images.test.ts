import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ImageCredential, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { app, context, contextOf, ImagesBench, soon, user } from "./testing/images-bench.ts";
import { GiB } from "./testing/memory-image-engine.ts";

describe("a pull", () => {
  it("tells the digest, the size and how long it took", async () => {
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
    bench.engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    await images.pull(app, [], context);
    assert.equal(await images.mayUse(app, [], context), true);
  });

  it("everybody, where it was there before, even if it is pulled again", async () => {
    await using bench = await ImagesBench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    bench.engine.put("sha256:1", [app]);
    const images = await bench.images();
    await images.pull(app, [user("a")], context);
    assert.equal(await images.mayUse(app, [], context), true);
  });

  it("everybody, by a name that others have given it", async () => {
    await using bench = await ImagesBench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    bench.engine.put("sha256:1", ["localhost/app:1"]);
    const images = await bench.images();
    await images.pull(app, [user("a")], context);
    const may = (name: string) => images.mayUse(name, [], context);
    assert.deepEqual(await Promise.all([may(app), may("team/app:1"), may("localhost/app:1")]), [false, false, true]);
  });

  it("nobody without asking its registry, where the program died while it was pulled", async () => {
    await using bench = await ImagesBench.make();
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
    await using bench = await ImagesBench.make();
    bench.engine.registry.set(app, { id: "sha256:1", users: ["a"] });
    await (await bench.images()).pull(app, [user("a", "secret-word")], context);
    assert.equal(statSync(join(bench.directory, "images.json")).mode & 0o777, 0o600);
    assert.doesNotMatch(bench.record, /secret-word/);
  });
});

describe("the images of the node", () => {
  it("are told of the node, digests before tags, and anew after a pull", async () => {
    await using bench = await ImagesBench.make();
    bench.engine.registry.set(app, { id: "sha256:1" });
    const images = await bench.images();
    assert.deepEqual(await images.nodeImages(context), []);
    await images.pull(app, [], context);
    const names = ["r.example/team/app@sha256:1", app];
    assert.deepEqual(await images.nodeImages(context), [{ names, sizeBytes: GiB }]);
    // What was seen before the clock was set back is not young for as long as that.
    assert.equal((await images.details(app, context))?.id, "sha256:1");
    bench.engine.put("sha256:1", []);
    bench.engine.put("sha256:2", [app]);
    bench.now -= 3_600_000;
    assert.equal((await images.details(app, context))?.id, "sha256:2");
    assert.equal((await images.nodeImages(context)).length, 2);
  });
});
