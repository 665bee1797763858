import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Container, PodStatus, ResourceRequirements } from "../kube/types.gen.ts";
import type { PodOwner } from "../provider.ts";
import { podStatus } from "../status/pod-status.ts";
import { EngineBench, podOf, quiet, requestOf, stateText } from "../testing/engine-bench.ts";

const small: ResourceRequirements = { requests: { cpu: "100m" }, limits: { cpu: "200m" } };
const large: ResourceRequirements = { requests: { cpu: "300m" }, limits: { cpu: "400m" } };

const container = (resources: ResourceRequirements, more: Partial<Container> = {}): Container => ({
  name: "c",
  image: "img",
  resources,
  ...more,
});

async function resized(bench: EngineBench, more: Partial<Container> = {}): Promise<PodOwner> {
  const { owner } = await bench.create({ containers: [container(small, more)] });
  await bench.engine.updatePod(requestOf(podOf({ containers: [container(large, more)] }, "p", 2)), quiet);
  await bench.pass(0);
  return owner;
}

async function statusOf(bench: EngineBench, owner: PodOwner): Promise<PodStatus> {
  const report = await bench.report(owner);
  assert.ok(report !== undefined);
  const pod = podOf({ containers: [container(large)] }, "p", 2);
  return podStatus({ pod, situation: { type: "reported", report }, now: bench.clock.now(), nodeIPs: [] });
}

const verdict = (status: PodStatus, type: string): string => {
  const found = status.conditions?.find((one) => one.type === type);
  return found === undefined ? "-" : [found.status, found.reason ?? "", found.message ?? ""].join("|");
};

describe("resources changed under a running container", () => {
  it("are changed in place", async () => {
    const bench = new EngineBench();
    const owner = await resized(bench);
    assert.ok(bench.history.includes("resize c/0"));
    assert.equal(await bench.state(owner), "running #0");
    const status = await statusOf(bench, owner);
    assert.deepEqual(status.containerStatuses?.[0]?.resources, large);
    assert.deepEqual(status.containerStatuses?.[0]?.allocatedResources, large.requests);
    assert.equal(verdict(status, "PodResizePending"), "-");
    await bench.restart(requestOf(podOf({ containers: [container(large)] }, "p", 2)));
    await bench.pass(0);
    assert.equal(bench.history.filter((entry) => entry === "resize c/0").length, 1, "not again by a new engine");
    await bench.close();
  });

  it("stay as they were where the runtime cannot change them", async () => {
    let tries = 0;
    const bench = new EngineBench({
      resize: () => {
        tries++;
        throw new VirtualKubeletError("Unsupported", "no cgroups here");
      },
    });
    const owner = await resized(bench);
    await bench.pass(120_000);
    assert.equal(tries, 1, "it is asked once");
    const status = await statusOf(bench, owner);
    assert.equal(verdict(status, "PodResizePending"), "True|Infeasible|no cgroups here");
    assert.deepEqual(status.containerStatuses?.[0]?.resources, small);
    assert.deepEqual(status.containerStatuses?.[0]?.allocatedResources, small.requests);
    assert.equal(await bench.state(owner), "running #0");
    await bench.engine.updatePod(requestOf(podOf({ containers: [container(small)] }, "p", 3)), quiet);
    await bench.pass(0);
    assert.equal(verdict(await statusOf(bench, owner), "PodResizePending"), "-", "asked for no more");
    await bench.close();
  });

  it("are tried again after a failure", async () => {
    let failures = 0;
    const bench = new EngineBench({
      resize: () => {
        if (failures++ === 0) throw new VirtualKubeletError("Unavailable", "busy");
      },
    });
    const owner = await resized(bench);
    assert.equal(verdict(await statusOf(bench, owner), "PodResizeInProgress"), "True|Error|busy");
    await bench.pass(2000);
    assert.equal(verdict(await statusOf(bench, owner), "PodResizeInProgress"), "-");
    await bench.close();
  });

  it("have the container restarted where its policy says so", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 1000 }) });
    const resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
    const owner = await resized(bench, { resizePolicy });
    await bench.pass(2000);
    const told = bench.updates.flatMap((update) => {
      if (update.type !== "report") return [];
      const { resize, containers } = update.report;
      return [`${resize?.state ?? "-"} ${stateText(containers[0]?.state ?? {})}`];
    });
    assert.deepEqual(told.slice(told.indexOf("inProgress running")), [
      ...["inProgress running", "inProgress waiting", "- running"],
    ]);
    assert.equal(await bench.state(owner), "running #1");
    assert.deepEqual(bench.runtime.specOf({ podUid: owner.uid, name: "c", attempt: 1 })?.resources, large);
    assert.ok(!bench.history.some((entry) => entry.startsWith("resize")));
    await bench.close();
  });
});
