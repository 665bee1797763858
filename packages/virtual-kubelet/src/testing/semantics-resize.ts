// Resources changed under a running container, where control groups make that possible and where there are none.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { pods } from "../kube/resource.ts";
import type { ContainerStatus, Pod, ResourceRequirements } from "../kube/types.gen.ts";
import type { SemanticsBench } from "./semantics-bench.ts";

const small = { requests: { cpu: "50m", memory: "32Mi" }, limits: { cpu: "100m", memory: "64Mi" } };
const large = { requests: { cpu: "60m", memory: "32Mi" }, limits: { cpu: "200m", memory: "64Mi" } };
const started = `
  ? Pending init | main:waiting(ContainerCreating)
  ? Pending sandbox init | main:waiting(ContainerCreating)
    Running sandbox init ready | main:running+ready`;
const ended = `
  ? Running sandbox init | main:exited(0,Completed)
    Succeeded init | main:exited(0,Completed)
    gone`;
const untilTerm = "trap 'exit 0' TERM; at up; while :; do sleep 0.1; done";

const statusOf = (pod: Pod): ContainerStatus => pod.status?.containerStatuses?.[0] ?? assert.fail("no status");
/** This change is dealt with, and nothing more is said of it. */
const isSettled = (generation: number, wanted: ResourceRequirements) => (pod: Pod) =>
  (pod.status?.observedGeneration ?? 0) >= generation &&
  pod.status?.conditions?.every(({ type }) => !type.startsWith("PodResize")) === true &&
  statusOf(pod).resources?.limits?.["cpu"] === wanted.limits?.["cpu"];

async function resize(bench: SemanticsBench, name: string, resources: ResourceRequirements): Promise<number> {
  const patch = { spec: { containers: [{ name: "main", resources }] } };
  const options = { subresource: "resize" };
  const { metadata } = await bench.client.patch(pods, { name, namespace: "default" }, "strategic", patch, options);
  return metadata.generation ?? 0;
}

/** Of a provider that cannot change what a running container may have. */
export function infeasibleResizeSemantics(current: () => SemanticsBench): void {
  describe("a resize where there is none", { timeout: 1_100_000 }, () => {
    let bench: SemanticsBench;
    before(() => {
      bench = current();
    });

    it("is infeasible, says so while it is wanted, and changes nothing", async () => {
      const pod = "stiff";
      await bench.run(pod, { containers: [bench.container(pod, "main", untilTerm, { resources: small })] });
      await bench.untilLine(pod, "Running sandbox init ready");
      await bench.untilStamp(pod, "up");
      const before = statusOf(bench.last(pod));
      const generation = await resize(bench, pod, large);
      await bench.untilLine(pod, "PodResizePending(Infeasible)");
      const pending = bench.last(pod).status?.conditions?.find(({ type }) => type === "PodResizePending");
      assert.equal(pending?.observedGeneration, generation);
      assert.match(pending?.message ?? "", /not supported/);
      const meanwhile = statusOf(bench.last(pod));
      assert.deepEqual([meanwhile.resources, meanwhile.allocatedResources], [small, small.requests]);
      assert.deepEqual([meanwhile.containerID, meanwhile.state], [before.containerID, before.state]);
      const back = await resize(bench, pod, small);
      await bench.until("is content again", pod, isSettled(back, small));
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `${started}
      Running sandbox init ready PodResizePending(Infeasible) | main:running+ready
      Running sandbox init ready | main:running+ready
      ${ended}`,
      );
      await bench.assertNothingRuns(pod);
    });
  });
}

/** Of one that can. */
export function resizeSemantics(current: () => SemanticsBench): void {
  describe("a resize", { concurrency: true, timeout: 1_100_000 }, () => {
    let bench: SemanticsBench;
    before(() => {
      bench = current();
    });

    it("is done in place", async () => {
      const pod = "supple";
      await bench.run(pod, { containers: [bench.container(pod, "main", untilTerm, { resources: small })] });
      await bench.untilLine(pod, "Running sandbox init ready");
      await bench.untilStamp(pod, "up");
      const before = statusOf(bench.last(pod));
      assert.deepEqual([before.resources, before.allocatedResources], [small, small.requests]);
      const generation = await resize(bench, pod, large);
      const done = statusOf(await bench.until("is done", pod, isSettled(generation, large)));
      assert.deepEqual([done.resources, done.allocatedResources], [large, large.requests]);
      assert.deepEqual([done.containerID, done.state], [before.containerID, before.state]);
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `${started}
        ? Running sandbox init ready PodResizeInProgress | main:running+ready
        ? Running sandbox init ready | main:running+ready
        ${ended}`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("restarts the container where its policy wants that", async () => {
      const pod = "brittle";
      const resizePolicy = [{ resourceName: "cpu", restartPolicy: "RestartContainer" }];
      const container = bench.container(pod, "main", untilTerm, { resources: small, resizePolicy });
      await bench.run(pod, { containers: [container] });
      await bench.untilLine(pod, "Running sandbox init ready");
      await bench.untilStamp(pod, "up");
      const generation = await resize(bench, pod, large);
      await bench.until("is done", pod, (one) => isSettled(generation, large)(one) && statusOf(one).restartCount === 1);
      await bench.untilStamp(pod, "up", 2);
      await bench.untilEvent(pod, /^Normal Killing main: Container main resize requires restart$/);
      assert.deepEqual(statusOf(bench.last(pod)).resources, large);
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `${started}
        ? Running sandbox init ready PodResizeInProgress | main:running+ready
        ? Running sandbox init PodResizeInProgress | main:exited(0,Completed)
        ? Running sandbox init PodResizeInProgress | main:waiting(ContainerCreating)<exited(0,Completed)
          Running sandbox init ready | main:running+ready#1<exited(0,Completed)
        ? Running sandbox init | main:exited(0,Completed)#1<exited(0,Completed)
          Succeeded init | main:exited(0,Completed)#1<exited(0,Completed)
          gone`,
      );
      await bench.assertNothingRuns(pod);
    });
  });
}
