// Variables of Nomad that no job has: which go, and which stay.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { NomadBench, scriptTask } from "./testing/nomad-bench.ts";
import { ownerItem } from "./variable-owner.ts";
import { VariableSweep } from "./variable-sweep.ts";

const bench = await NomadBench.start();
const { client, context } = bench;
after(() => bench[Symbol.asyncDispose]());
const owner = { cluster: "c1", node: "nomad" };
const mine = ownerItem(owner);

async function left(): Promise<readonly string[]> {
  return (await client.listVariables("nomad/jobs/", context)).toSorted();
}

let now = Date.now();
/** Of the next sweep, which the clock would begin. */
let next = (): void => {};
const clock = {
  now: () => now,
  schedule: (_delayMs: number, callback: () => void) => {
    next = callback;
    return () => {};
  },
};

/** Until it has read so many variables; what it does with them it does one job after another. */
async function sweep(all: VariableSweep, variables: number, begin: () => void = () => all.begin()): Promise<void> {
  const read = (): number => bench.nomad.counts["variable"] ?? 0;
  const before = read();
  begin();
  await eventually("it has read them", 10_000, () => read() >= before + variables);
  await all.done();
}

const put = (path: string, items: Readonly<Record<string, string>>) =>
  client.putVariable({ Path: `nomad/jobs/${path}`, Items: { a: "eA==", ...items } }, context);

describe("variables without a job", () => {
  it("go when they are this node's and have been so for a minute, and no others", async () => {
    await bench.register("vk-live", [scriptTask("main", "sleep 3600")]);
    await put("vk-live/pod", mine);
    await put("vk-gone/pod", mine);
    await put("vk-gone/pod/main", {});
    await put("vk-other-node/pod", ownerItem({ ...owner, node: "other" }));
    await put("vk-other-cluster/pod", ownerItem({ ...owner, cluster: "c2" }));
    await put("vk-nobody/pod", {});
    await put("web/pod", mine);
    const all = await left();
    await using swept = new VariableSweep({ client, owner, clock, log: silentLogger });
    // Those of the job that is gone, and one of each that is another's.
    await sweep(swept, 5);
    assert.deepEqual(await left(), all, "a job may yet come");
    now += 61_000;
    // By itself; others are known.
    await sweep(swept, 2, () => next());
    assert.deepEqual(
      await left(),
      all.filter((path) => !path.includes("vk-gone")),
    );
  });

  it("stay while this program makes their job, and a minute more when they have changed", async () => {
    await put("vk-made/pod", mine);
    await using swept = new VariableSweep({ client, owner, clock, log: silentLogger });
    const has = async (): Promise<boolean> => (await left()).includes("nomad/jobs/vk-made/pod");
    await sweep(swept, 1);
    await swept.claimed("vk-made", async () => {
      now += 61_000;
      await sweep(swept, 1);
      assert.ok(await has());
    });
    await put("vk-made/pod", { ...mine, b: "eA==" });
    now += 61_000;
    await sweep(swept, 1);
    assert.ok(await has(), "it has changed");
    now += 61_000;
    await sweep(swept, 1);
    assert.ok(!(await has()));
  });
});
