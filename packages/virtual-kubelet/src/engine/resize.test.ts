import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Container, PodStatus, ResourceRequirements } from "../kube/types.gen.ts";
import type { PodOwner } from "../provider/pods.ts";
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

describe("resources that the node has not", () => {
  const request = (cpu: string): ResourceRequirements => ({ requests: { cpu } });
  const spec = (cpu: string) => ({ containers: [container(request(cpu))] });

  async function full(): Promise<{ readonly bench: EngineBench; readonly owner: PodOwner; readonly other: PodOwner }> {
    const bench = new EngineBench();
    const [{ owner }, { owner: other }] = [await bench.create(spec("100m")), await bench.create(spec("600m"), "other")];
    bench.runtime.node({ capacity: { cpu: "4" }, allocatable: { cpu: "1" } });
    await bench.pass(0);
    return { bench, owner, other };
  }
  const ask = async (bench: EngineBench, cpu: string, generation: number): Promise<void> => {
    await bench.engine.updatePod(requestOf(podOf(spec(cpu), "p", generation)), quiet);
    await bench.pass(0);
  };
  const told = (bench: EngineBench): readonly string[] =>
    bench.events.flatMap((text) => (text.startsWith("Resize") ? [text.slice(0, text.indexOf(":"))] : []));

  it("are waited for, and given when another pod has gone", async () => {
    const { bench, owner, other } = await full();
    await ask(bench, "500m", 2);
    const message = "Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000";
    const status = await statusOf(bench, owner);
    assert.equal(verdict(status, "PodResizePending"), `True|Deferred|${message}`);
    assert.deepEqual(status.containerStatuses?.[0]?.resources, request("100m"));
    await bench.pass(60_000);
    const resources = '[{"name":"c","resources":{"requests":{"cpu":"500m"}}}]';
    const text = `ResizeDeferred: Pod resize Deferred: {"containers":${resources},"generation":2,"error":"${message}"}`;
    assert.deepEqual(
      bench.events.filter((event) => event.startsWith("Resize")),
      [text],
      "it is told once",
    );
    bench.runtime.exit({ podUid: owner.uid, name: "c", attempt: 0 }, 1);
    await bench.pass(60_000);
    assert.equal(await bench.state(owner), "running #1");
    assert.deepEqual(
      bench.runtime.specOf({ podUid: owner.uid, name: "c", attempt: 1 })?.resources,
      request("100m"),
      "it starts again with what it had",
    );
    await bench.engine.deletePod(other, { gracePeriodSeconds: 1 }, quiet);
    await bench.pass(10_000);
    assert.ok(bench.history.includes("resize c/1"));
    assert.equal(verdict(await statusOf(bench, owner), "PodResizePending"), "-");
    assert.deepEqual(told(bench), ["ResizeDeferred", "ResizeStarted", "ResizeCompleted"]);
    await bench.close();
  });

  it("are given to none for whom the node is too small, and are forgotten when they are asked for no more", async () => {
    const { bench, owner } = await full();
    await ask(bench, "2", 2);
    const message = "Node didn't have enough capacity: cpu, requested: 2000, capacity: 1000";
    assert.equal(verdict(await statusOf(bench, owner), "PodResizePending"), `True|Infeasible|${message}`);
    await ask(bench, "100m", 3);
    assert.equal(verdict(await statusOf(bench, owner), "PodResizePending"), "-");
    assert.deepEqual(told(bench), ["ResizeInfeasible"]);
    await ask(bench, "50m", 4);
    assert.deepEqual(told(bench), ["ResizeInfeasible", "ResizeStarted", "ResizeCompleted"], "less always is");
    await bench.close();
  });

  it("restart nothing while they are waited for, and one alone of two gets what is there for one", async () => {
    const bench = new EngineBench();
    const resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
    const of = (cpu: string, priority: number) => ({
      priority,
      containers: [container(request(cpu), { resizePolicy })],
    });
    const [{ owner: low }, { owner: high }] = [
      await bench.create(of("100m", 1), "low"),
      await bench.create(of("100m", 2), "high"),
    ];
    bench.runtime.node({ capacity: { cpu: "600m" } });
    await bench.pass(0);
    await Promise.all([
      bench.engine.updatePod(requestOf(podOf(of("450m", 1), "low", 2)), quiet),
      bench.engine.updatePod(requestOf(podOf(of("450m", 2), "high", 2)), quiet),
    ]);
    await bench.pass(60_000);
    assert.deepEqual([await bench.state(low), await bench.state(high)], ["running #0", "running #1"]);
    assert.deepEqual(told(bench).toSorted(), ["ResizeCompleted", "ResizeDeferred", "ResizeStarted"]);
    await bench.restart(requestOf(podOf(of("450m", 1), "low", 2)), requestOf(podOf(of("450m", 2), "high", 2)));
    await bench.pass(60_000);
    assert.deepEqual([await bench.state(low), await bench.state(high)], ["running #0", "running #1"]);
    await bench.close();
  });

  it("are told of when they cannot be given", async () => {
    const bench = new EngineBench({
      resize: () => {
        throw new VirtualKubeletError("Unavailable", "busy");
      },
    });
    await resized(bench);
    await bench.pass(5000);
    assert.deepEqual(told(bench), ["ResizeStarted", "ResizeError"]);
    assert.ok(bench.events.some((text) => /^ResizeError: Pod resize error: .*"error":"busy"}$/.test(text)));
    await bench.close();
  });
});
