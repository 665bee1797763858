// Pages as their readers follow them: their files are written, their commands run, and what they print is what the pages show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startHarness } from "./harness.ts";
import { changed, isShown } from "./tutorial.ts";
import { Reader } from "./tutorial-reader.ts";

test("the tutorial for providers, docs/write-a-provider.md", { timeout: 900_000 }, async () => {
  await using reader = await Reader.begin({ env: { VKUBELET_POD_IP: "127.0.0.1" } });
  const steps = await reader.follow("docs/write-a-provider.md");
  assert.ok(steps > 40, `${steps} steps`);
});

test("the quick start with a cluster of one's own, docs/quick-start.md", { timeout: 900_000 }, async () => {
  await using harness = await startHarness();
  await using reader = await Reader.begin({
    env: { KUBECONFIG: harness.cluster.kubeconfig },
    prepare: 'ln -s "$PWD/virtual-kubelet/node_modules" node_modules; PATH="$PWD/node_modules/.bin:$PATH"',
  });
  const steps = await reader.follow("docs/quick-start.md", /your cluster/);
  assert.ok(steps > 10, `${steps} steps`);
});

test("what a page shows is found in what is printed, and nothing else is", () => {
  const prints = "NAME  AGE\nweb   2s\n...\nlast ...";
  assert.ok(isShown("NAME     AGE\nweb      1m5s\nlast one\n", prints));
  assert.ok(isShown("NAME AGE\nweb 3s\nmore\nand more\nlast of all\n", prints));
  assert.ok(!isShown("NAME AGE\nweb 3s\nmore\n", prints));
  assert.ok(!isShown("NAME AGE\napi 3s\nlast one\n", prints));
  assert.ok(!isShown("NAME AGE\nweb 3s\nlast one\nand more\n", prints));
});

test("a diff is taken where its lines are, once", () => {
  assert.equal(changed("a\nb\nc\n", "+new\n b\n@@\n-c\n+d"), "a\nnew\nb\nd\n");
  assert.throws(() => changed("a\n", "+new\n b"), /are there 0 times/);
  assert.throws(() => changed("b\nb\n", "+new\n b"), /times, not once/);
});
