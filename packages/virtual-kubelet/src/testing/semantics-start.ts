// The order in which containers of a pod start and stop, as the API server sees it and as the containers themselves do: init
// containers that fail and are tried again, sidecars before and after the main containers.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Container } from "../kube/types.gen.ts";
import type { SemanticsBench } from "./semantics-bench.ts";

/** `current`: that of all scenarios, once it is there. */
export function startSemantics(current: () => SemanticsBench): void {
  let bench: SemanticsBench;

  const untilTerm = "trap 'at main-term; exit 0' TERM; at main; while :; do sleep 0.1; done";
  /** Until the test has seen what is to be seen, however busy the machine is: then it says `bench.touch` of the same. */
  const untilTold = (file: string): string => `until [ -e ${bench.scratch}/${file} ]; do sleep 0.1; done`;

  /** `code`: how the second one fails the first two times. */
  const chain = (pod: string): readonly Container[] => [
    bench.container(pod, "one", "at one; sleep 1"),
    bench.container(pod, "two", "at two; sleep 1; [ $run -gt 2 ] || exit 3"),
    bench.container(pod, "three", "at three; sleep 1"),
  ];

  /** Up to the moment when the main container runs. */
  const chainHistory = `
  ? Pending | one:waiting(PodInitializing) two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:waiting(PodInitializing) two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:running+started two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:running+started three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:running+started#1<exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:exited(3,Error)#1<exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
    Pending sandbox | one:exited(0,Completed)+ready two:waiting(CrashLoopBackOff)#1<exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:running+started#2<exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)
  ? Pending sandbox | one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:running+started main:waiting(PodInitializing)
  ? Pending sandbox init | one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:exited(0,Completed)+ready main:waiting(PodInitializing)
    Running sandbox init ready | one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:exited(0,Completed)+ready main:running+ready`;

  async function assertChain(pod: string): Promise<void> {
    const order = bench.stamps(pod).filter(({ what }) => what !== "main-term");
    assert.deepEqual(
      order.map(({ what }) => what),
      ["one", "two", "two", "two", "three", "main"],
    );
    // The first restart is at once, as soon as the machine can; the second after ten seconds.
    const [, first, second, third] = order.map(({ at }) => at);
    assert.ok((third ?? 0) - (second ?? 0) >= 10_000, `back-off of ${(third ?? 0) - (second ?? 0)} ms`);
    assert.ok((second ?? 0) - (first ?? 0) < 60_000, `first restart after ${(second ?? 0) - (first ?? 0)} ms`);
    const { uid } = bench.last(pod).metadata;
    const waiting = bench.lines(pod).findIndex((line) => line.includes("CrashLoopBackOff"));
    assert.ok(waiting > 0);
    const backOff = await bench.until("backs off", pod, ({ status }) =>
      Boolean(status?.initContainerStatuses?.[1]?.state?.waiting?.reason === "CrashLoopBackOff"),
    );
    assert.equal(
      backOff.status?.initContainerStatuses?.[1]?.state?.waiting?.message,
      `back-off 10s restarting failed container=two pod=${pod}_default(${uid})`,
    );
    const message = `Warning BackOff two: Back-off restarting failed container two in pod ${pod}_default(${uid})`;
    await bench.untilEvent(pod, new RegExp(`^${message.replaceAll(/[()]/g, "\\$&")}$`));
  }

  describe("start and stop", { concurrency: true, timeout: 1_100_000 }, () => {
    before(() => {
      bench = current();
    });

    it("an init container that fails twice is tried again, and the pod runs until it is deleted", async () => {
      const pod = "chain-always";
      await bench.run(pod, {
        restartPolicy: "Always",
        initContainers: chain(pod),
        containers: [bench.container(pod, "main", untilTerm)],
      });
      await bench.untilLine(pod, "Running");
      await bench.untilStamp(pod, "main");
      await assertChain(pod);
      await bench.remove(pod);
      const inits =
        "one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:exited(0,Completed)+ready";
      bench.assertHistory(
        pod,
        `${chainHistory}
      ? Running sandbox init | ${inits} main:exited(0,Completed)
        Succeeded init | ${inits} main:exited(0,Completed)
        gone`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("so with OnFailure, and the pod ends with its main container", async () => {
      const pod = "chain-on-failure";
      await bench.run(pod, {
        restartPolicy: "OnFailure",
        initContainers: chain(pod),
        containers: [bench.container(pod, "main", `at main; ${untilTold("chain.seen")}`)],
      });
      await bench.untilLine(pod, "Running");
      bench.touch("chain.seen");
      await bench.untilLine(pod, "Succeeded");
      await assertChain(pod);
      bench.assertHistory(
        pod,
        `${chainHistory}
        Succeeded init | one:exited(0,Completed)+ready two:exited(0,Completed)+ready#2<exited(3,Error) three:exited(0,Completed)+ready main:exited(0,Completed)`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("with Never the first failure of an init container is the pod's", async () => {
      const pod = "chain-never";
      await bench.run(pod, {
        restartPolicy: "Never",
        initContainers: chain(pod),
        containers: [bench.container(pod, "main", "at main")],
      });
      await bench.untilLine(pod, "Failed");
      bench.assertHistory(
        pod,
        `
      ? Pending | one:waiting(PodInitializing) two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
      ? Pending sandbox | one:waiting(PodInitializing) two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
      ? Pending sandbox | one:running+started two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
      ? Pending sandbox | one:exited(0,Completed)+ready two:waiting(PodInitializing) three:waiting(PodInitializing) main:waiting(PodInitializing)
      ? Pending sandbox | one:exited(0,Completed)+ready two:running+started three:waiting(PodInitializing) main:waiting(PodInitializing)
        Failed | one:exited(0,Completed)+ready two:exited(3,Error) three:waiting(PodInitializing) main:waiting(PodInitializing)`,
      );
      const stamps = bench.stamps(pod).map(({ what }) => what);
      assert.deepEqual(stamps, ["one", "two"]);
      await bench.assertNothingRuns(pod);
    });

    /** It is up, and goes, when it is told to. */
    const sidecar = (pod: string): Container =>
      bench.container(
        pod,
        "side",
        `trap 'at side-term; ${untilTold(`${pod}.ends`)}; at side-exit; exit 0' TERM
      at side; ${untilTold(`${pod}.begins`)}; at side-up; echo up >${bench.scratch}/${pod}.up; while :; do sleep 0.1; done`,
        {
          restartPolicy: "Always",
          startupProbe: {
            exec: { command: ["/bin/cat", `${bench.scratch}/${pod}.up`] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 600,
          },
        },
      );
    const sidecarStart = `
    ? Pending | side:waiting(PodInitializing) main:waiting(PodInitializing)
    ? Pending sandbox | side:waiting(PodInitializing) main:waiting(PodInitializing)
      Pending sandbox | side:running main:waiting(PodInitializing)
    ? Pending sandbox init | side:running+ready main:waiting(PodInitializing)
      Running sandbox init ready | side:running+ready main:running+ready`;

    it("a sidecar is up by its startup probe before the main container runs, and stops after that has ended", async () => {
      const pod = "sidecar-never";
      await bench.run(pod, {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 600,
        initContainers: [sidecar(pod)],
        containers: [bench.container(pod, "main", `at main; ${untilTold(`${pod}.main`)}; at main-exit`)],
      });
      await bench.untilLine(pod, "side:running main");
      bench.touch(`${pod}.begins`);
      await bench.untilLine(pod, "main:running+ready");
      bench.touch(`${pod}.main`);
      await bench.untilLine(pod, "side:running+ready main:exited");
      bench.touch(`${pod}.ends`);
      await bench.untilLine(pod, "Succeeded");
      bench.assertHistory(
        pod,
        `${sidecarStart}
        Running sandbox init | side:running+ready main:exited(0,Completed)
        Succeeded init | side:exited(0,Completed) main:exited(0,Completed)`,
      );
      assert.deepEqual(
        bench.stamps(pod).map(({ what }) => what),
        ["side", "side-up", "main", "main-exit", "side-term", "side-exit"],
      );
      await bench.assertNothingRuns(pod);
    });

    it("so when the pod is deleted: the main containers end before a sidecar is told to", async () => {
      const pod = "sidecar-deleted";
      const main = "trap 'at main-term; sleep 2; at main-exit; exit 0' TERM; at main; while :; do sleep 0.1; done";
      await bench.run(pod, {
        restartPolicy: "Always",
        terminationGracePeriodSeconds: 600,
        initContainers: [sidecar(pod)],
        containers: [bench.container(pod, "main", main)],
      });
      await bench.untilLine(pod, "side:running main");
      bench.touch(`${pod}.begins`);
      bench.touch(`${pod}.ends`);
      await bench.untilLine(pod, "Running");
      // Its trap is set.
      await bench.untilStamp(pod, "main");
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `${sidecarStart}
      ? Running sandbox init | side:running+ready main:exited(0,Completed)
        Succeeded init | side:exited(0,Completed) main:exited(0,Completed)
        gone`,
      );
      assert.deepEqual(
        bench.stamps(pod).map(({ what }) => what),
        ["side", "side-up", "main", "main-term", "main-exit", "side-term", "side-exit"],
      );
      await bench.untilEvent(pod, /^Normal Killing main: Stopping container main$/);
      await bench.untilEvent(pod, /^Normal Killing side: Stopping container side$/);
      await bench.assertNothingRuns(pod);
    });

    it("a container is not running before its postStart is done, and restarted when that fails", async () => {
      const pod = "post-start";
      // It does not fail before the container heeds TERM.
      const heeds = `until grep -q ' main$' ${bench.stampFile(pod)}; do sleep 0.1; done`;
      const hook = `${bench.stampCommand(pod, "hook")}; sleep 3; ${heeds}; [ -e ${bench.scratch}/post-start.ok ]`;
      const main = `[ $run = 1 ] || echo ok >${bench.scratch}/post-start.ok; ${untilTerm}`;
      const lifecycle = { postStart: { exec: { command: ["/bin/sh", "-c", hook] } } };
      await bench.run(pod, { containers: [bench.container(pod, "main", main, { lifecycle })] });
      await bench.untilLine(pod, "main:running+ready#1");
      await bench.untilEvent(pod, /^Warning FailedPostStartHook main: /);
      await bench.untilEvent(pod, /^Normal Killing main: FailedPostStartHook$/);
      await bench.untilStamp(pod, "main", 2);
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `
      ? Pending init | main:waiting(ContainerCreating)
      ? Pending sandbox init | main:waiting(ContainerCreating)
      ? Pending sandbox init | main:waiting(PostStartHookError)
      ? Running sandbox init | main:waiting(PostStartHookError)<exited(0,Completed)
      ? Running sandbox init | main:waiting(ContainerCreating)#1<exited(0,Completed)
        Running sandbox init ready | main:running+ready#1<exited(0,Completed)
      ? Running sandbox init | main:exited(0,Completed)#1<exited(0,Completed)
        Succeeded init | main:exited(0,Completed)#1<exited(0,Completed)
        gone`,
      );
      const begun = bench.stamps(pod).map(({ what }) => what);
      assert.equal(begun.filter((what) => what === "hook").length, 2);
      await bench.assertNothingRuns(pod);
    });
  });
}
