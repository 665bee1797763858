// What becomes of running containers when their pod changes, and of ended ones by rules of their own.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { pods } from "../kube/resource.ts";
import type { ContainerStatus } from "../kube/types.gen.ts";
import type { SemanticsBench } from "./semantics-bench.ts";

/** `current`: that of all scenarios, once it is there. */
export function changesSemantics(current: () => SemanticsBench): void {
  let bench: SemanticsBench;

  const untilTerm = "trap 'exit 0' TERM; at up; while :; do sleep 0.1; done";
  /** Until the test has seen what is to be seen, however busy the machine is: then it says `bench.touch` of the same. */
  const untilTold = (file: string): string => `until [ -e ${bench.scratch}/${file} ]; do sleep 0.1; done`;
  const ref = (name: string): { readonly name: string; readonly namespace: string } => ({ name, namespace: "default" });
  const statusOf = (pod: string, name: string): ContainerStatus =>
    bench.last(pod).status?.containerStatuses?.find((one) => one.name === name) ?? assert.fail(`no status of ${name}`);

  const startedBoth = `
  ? Pending init | a:waiting(ContainerCreating) b:waiting(ContainerCreating)
  ? Pending sandbox init | a:waiting(ContainerCreating) b:waiting(ContainerCreating)
  ? Pending sandbox init | a:running+ready b:waiting(ContainerCreating)
  ? Pending sandbox init | a:waiting(ContainerCreating) b:running+ready
    Running sandbox init ready | a:running+ready b:running+ready`;

  describe("changes", { concurrency: true, timeout: 1_100_000 }, () => {
    before(() => {
      bench = current();
    });

    for (const restartPolicy of ["Always", "Never"])
      it(`another image restarts its container alone, policy ${restartPolicy} or not`, async () => {
        const pod = `image-${restartPolicy.toLowerCase()}`;
        const containers = ["a", "b"].map((name) => bench.container(pod, name, untilTerm));
        await bench.run(pod, { restartPolicy, terminationGracePeriodSeconds: 30, containers });
        const seen = await bench.untilLine(pod, "Running sandbox init ready");
        await bench.untilStamp(pod, "up", 2);
        const before = [statusOf(pod, "a"), statusOf(pod, "b")];
        const image = bench.subject.images[1];
        await bench.client.patch(pods, ref(pod), "strategic", { spec: { containers: [{ name: "a", image }] } });
        await bench.untilLine(pod, "a:running+ready#1", seen);
        assert.equal(statusOf(pod, "a").image, image);
        assert.notEqual(statusOf(pod, "a").containerID, before[0]?.containerID);
        assert.deepEqual(
          [statusOf(pod, "b").containerID, statusOf(pod, "b").state, statusOf(pod, "b").restartCount],
          [before[1]?.containerID, before[1]?.state, 0],
        );
        await bench.untilEvent(pod, /^Normal Killing a: Container a definition changed, will be restarted$/);
        const last = bench.last(pod);
        assert.equal(last.status?.observedGeneration, last.metadata.generation);
        await bench.untilStamp(pod, "up", 3);
        await bench.remove(pod);
        bench.assertHistory(
          pod,
          `${startedBoth}
        ? Running sandbox init | a:exited(0,Completed) b:running+ready
        ? Running sandbox init | a:waiting(ContainerCreating)<exited(0,Completed) b:running+ready
          Running sandbox init ready | a:running+ready#1<exited(0,Completed) b:running+ready
        ? Running sandbox init | a:running+ready#1<exited(0,Completed) b:exited(0,Completed)
        ? Running sandbox init | a:exited(0,Completed)#1<exited(0,Completed) b:running+ready
          Succeeded init | a:exited(0,Completed)#1<exited(0,Completed) b:exited(0,Completed)
          gone`,
        );
        await bench.assertNothingRuns(pod);
      });

    it("rules decide by exit codes before the policies do", async () => {
      const pod = "ruled";
      await bench.run(pod, {
        restartPolicy: "Never",
        containers: [
          bench.container(pod, "main", `${untilTold(`${pod}.$run`)}; [ $run = 1 ] && exit 42; exit 3`, {
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42, 43] } }],
          }),
        ],
      });
      await bench.untilLine(pod, "main:running+ready");
      bench.touch(`${pod}.1`);
      await bench.untilLine(pod, "main:running+ready#1");
      bench.touch(`${pod}.2`);
      await bench.untilLine(pod, "Failed");
      bench.assertHistory(
        pod,
        `
      ? Pending init | main:waiting(ContainerCreating)
      ? Pending sandbox init | main:waiting(ContainerCreating)
        Running sandbox init ready | main:running+ready
      ? Running sandbox init | main:exited(42,Error)
        Running sandbox init ready | main:running+ready#1<exited(42,Error)
        Failed init | main:exited(3,Error)#1<exited(42,Error)`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("a rule for all codes but some, and a policy of the container's own", async () => {
      const pod = "ruled-not-in";
      await bench.run(pod, {
        restartPolicy: "Never",
        containers: [
          bench.container(pod, "a", "sleep 2; exit 5", {
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "NotIn", values: [5] } }],
          }),
          bench.container(pod, "b", "sleep 2; [ $run = 1 ] && exit 1; exit 0", { restartPolicy: "OnFailure" }),
        ],
      });
      await bench.untilLine(pod, "Failed");
      const { status } = bench.last(pod);
      const ends = (status?.containerStatuses ?? []).map(({ state, restartCount }) => [
        state?.terminated?.exitCode,
        restartCount,
      ]);
      assert.deepEqual(ends, [
        [5, 0],
        [0, 1],
      ]);
      await bench.assertNothingRuns(pod);
    });

    it("a rule can have all containers start over, init containers included", async () => {
      const pod = "ruled-all";
      await bench.run(pod, {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 600,
        initContainers: [bench.container(pod, "init", "at init; sleep 1")],
        containers: [
          bench.container(pod, "a", `at a; ${untilTold(`${pod}.$run`)}; [ $run = 1 ] && exit 9; exit 0`, {
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "RestartAllContainers", exitCodes: { operator: "In", values: [9] } }],
          }),
          bench.container(
            pod,
            "b",
            `trap '${untilTold(`${pod}.b`)}; at b-term; exit 0' TERM
            at b; [ $run = 1 ] || exit 0; while :; do sleep 0.1; done`,
          ),
        ],
      });
      await bench.untilLine(pod, "Running sandbox init ready");
      await bench.untilStamp(pod, "b");
      bench.touch(`${pod}.1`);
      await bench.untilLine(pod, "AllContainersRestarting(RestartAllContainersStarted)");
      bench.touch(`${pod}.b`);
      await bench.untilLine(pod, "a:running+ready#1<exited(9,RestartingAllContainers) b:exited(0,Completed)#1");
      bench.touch(`${pod}.2`);
      await bench.untilLine(pod, "Succeeded");
      const stamps = bench.stamps(pod).map(({ what }) => what);
      assert.deepEqual(
        [stamps[0], stamps.slice(1, 3).sort(), stamps.slice(3, 5), stamps.slice(5).sort()],
        ["init", ["a", "b"], ["b-term", "init"], ["a", "b"]],
      );
      const first = "init:exited(0,Completed)+ready";
      const again = "init:exited(0,Completed)+ready#1<exited(0,RestartingAllContainers)";
      const waits = {
        init: "init:waiting(RestartingAllContainers)<exited(0,RestartingAllContainers)",
        a: "a:waiting(RestartingAllContainers)<exited(9,RestartingAllContainers)",
        b: "b:waiting(RestartingAllContainers)<exited(0,RestartingAllContainers)",
      };
      const ended = "a:exited(0,Completed)#1<exited(9,RestartingAllContainers)";
      bench.assertHistory(
        pod,
        `
      ? Pending | init:waiting(PodInitializing) a:waiting(PodInitializing) b:waiting(PodInitializing)
      ? Pending sandbox | init:waiting(PodInitializing) a:waiting(PodInitializing) b:waiting(PodInitializing)
      ? Pending sandbox | init:running+started a:waiting(PodInitializing) b:waiting(PodInitializing)
      ? Pending sandbox init | ${first} a:waiting(PodInitializing) b:waiting(PodInitializing)
      ? Pending sandbox init | ${first} a:running+ready b:waiting(PodInitializing)
      ? Pending sandbox init | ${first} a:waiting(PodInitializing) b:running+ready
        Running sandbox init ready | ${first} a:running+ready b:running+ready
        Running sandbox init AllContainersRestarting(RestartAllContainersStarted) | ${waits.init} ${waits.a} b:running+ready
      ? Running sandbox init AllContainersRestarting(RestartAllContainersStarted) | ${waits.init} ${waits.a} ${waits.b}
      ? Running sandbox init | ${waits.init} ${waits.a} ${waits.b}
      ? Pending sandbox init | init:running+started#1<exited(0,RestartingAllContainers) ${waits.a} ${waits.b}
      ? Running sandbox init | ${again} ${waits.a} ${waits.b}
      ? Running sandbox init | ${again} a:running+ready#1<exited(9,RestartingAllContainers) ${waits.b}
      ? Running sandbox init | ${again} ${waits.a} b:running+ready#1<exited(0,RestartingAllContainers)
      ? Running sandbox init ready | ${again} a:running+ready#1<exited(9,RestartingAllContainers) b:running+ready#1<exited(0,RestartingAllContainers)
      ? Running sandbox init | ${again} ${waits.a} b:exited(0,Completed)#1<exited(0,RestartingAllContainers)
        Running sandbox init | ${again} a:running+ready#1<exited(9,RestartingAllContainers) b:exited(0,Completed)#1<exited(0,RestartingAllContainers)
        Succeeded init | ${again} ${ended} b:exited(0,Completed)#1<exited(0,RestartingAllContainers)`,
      );
      await bench.assertNothingRuns(pod);
    });
  });
}
