// Variables of Nomad that no job has: which go, and which stay.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
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

/** Until it has read so many variables; what it does with them it does one job after another. */
async function sweep(now: number, variables: number): Promise<void> {
  const clock = { ...systemClock, now: () => now };
  await using all = new VariableSweep({ client, owner, clock, log: silentLogger });
  const read = (): number => bench.nomad.counts["variable"] ?? 0;
  const before = read();
  all.begin();
  await eventually("it has read them", 10_000, () => read() >= before + variables);
}

describe("variables without a job", () => {
  it("go when they are this node's and old, and no others", async () => {
    const put = (path: string, items: Readonly<Record<string, string>>) =>
      client.putVariable({ Path: `nomad/jobs/${path}`, Items: { a: "eA==", ...items } }, context);
    await bench.register("vk-live", [scriptTask("main", "sleep 3600")]);
    await put("vk-live/pod", mine);
    await put("vk-gone/pod", mine);
    await put("vk-gone/pod/main", {});
    await put("vk-other-node/pod", ownerItem({ ...owner, node: "other" }));
    await put("vk-other-cluster/pod", ownerItem({ ...owner, cluster: "c2" }));
    await put("vk-nobody/pod", {});
    await put("web/pod", mine);
    const all = await left();
    // Those of the job that is gone, and one of each that is another's.
    await sweep(Date.now(), 5);
    assert.deepEqual(await left(), all, "a job may yet come");
    await sweep(Date.now() + 11 * 60_000, 5);
    assert.deepEqual(
      await left(),
      all.filter((path) => !path.includes("vk-gone")),
    );
  });
});
