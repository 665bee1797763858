// How pods and their containers end: preStop, TERM, KILL, deadlines, force, and what the containers say at their end.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { pods } from "../kube/resource.ts";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import type { SemanticsBench } from "./semantics-bench.ts";

/** `current`: that of all scenarios, once it is there. */
export function endingSemantics(current: () => SemanticsBench): void {
  let bench: SemanticsBench;

  const started = `
  ? Pending init | main:waiting(ContainerCreating)
  ? Pending sandbox init | main:waiting(ContainerCreating)
    Running sandbox init ready | main:running+ready`;
  const untilTerm = "trap 'at term; exit 0' TERM; at up; while :; do sleep 0.1; done";

  /** Runs a pod of one container until that has begun; answers its name. */
  async function begin(
    pod: string,
    script: string,
    spec: Partial<PodSpec> = {},
    change: Partial<Container> = {},
  ): Promise<string> {
    await bench.run(pod, { ...spec, containers: [bench.container(pod, "main", script, change)] });
    await bench.untilLine(pod, "Running");
    await bench.untilStamp(pod, "up");
    return pod;
  }

  describe("ends", { concurrency: true, timeout: 1_100_000 }, () => {
    before(() => {
      bench = current();
    });

    it("preStop has its time before TERM, within the grace", async () => {
      const stamp = (word: string): string => bench.stampCommand("prestop", word);
      const hook = `${stamp("hook")}; sleep 5; ${stamp("hooked")}`;
      const lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", hook] } } };
      const pod = await begin("prestop", untilTerm, { terminationGracePeriodSeconds: 200 }, { lifecycle });
      const took = await bench.remove(pod);
      const stamps = bench.stamps(pod);
      assert.deepEqual(
        stamps.map(({ what }) => what),
        ["up", "hook", "hooked", "term"],
      );
      assert.ok(took >= 5000 && took < 190_000, `${took} ms`);
      bench.assertHistory(
        pod,
        `${started}
      ? Running sandbox init | main:exited(0,Completed)
        Succeeded init | main:exited(0,Completed)
        gone`,
      );
      const last = bench.last(pod);
      assert.equal(last.status?.observedGeneration, last.metadata.generation);
      await bench.untilEvent(pod, /^Normal Killing main: Stopping container main$/);
      assert.ok(!(await bench.events(pod)).some((event) => event.includes("FailedPreStopHook")));
      await bench.assertNothingRuns(pod);
    });

    it("a preStop that takes longer than the grace is cut short, and TERM comes all the same", async () => {
      const lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", "sleep 600; true"] } } };
      const pod = await begin("endless", untilTerm, { terminationGracePeriodSeconds: 4 }, { lifecycle });
      const took = await bench.remove(pod);
      assert.ok(took >= 4000 && took < 300_000, `${took} ms`);
      assert.deepEqual(
        bench.stamps(pod).map(({ what }) => what),
        ["up", "term"],
      );
      bench.assertHistory(
        pod,
        `${started}
      ? Running sandbox init | main:exited(0,Completed)
        Succeeded init | main:exited(0,Completed)
        gone`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("a preStop that fails is told, and holds nothing up", async () => {
      const lifecycle = { preStop: { exec: { command: ["/bin/false"] } } };
      const pod = await begin("failing-hook", untilTerm, { terminationGracePeriodSeconds: 600 }, { lifecycle });
      const took = await bench.remove(pod);
      assert.ok(took < 300_000, `${took} ms`);
      assert.deepEqual(
        bench.stamps(pod).map(({ what }) => what),
        ["up", "term"],
      );
      await bench.untilEvent(pod, /^Warning FailedPreStopHook main: /);
      await bench.assertNothingRuns(pod);
    });

    for (const [name, pod, terminationGracePeriodSeconds, atDeletion, expectedMs] of [
      ["a container that heeds no TERM is killed when its grace is over", "deaf", 3, undefined, 3000],
      ["a grace at the deletion goes before the spec's", "hurried", 600, 2, 2000],
    ] as const)
      it(name, async () => {
        await begin(pod, "trap '' TERM; at up; while :; do sleep 0.1; done", { terminationGracePeriodSeconds });
        const took = await bench.remove(pod, atDeletion);
        assert.ok(took >= expectedMs && took < 300_000, `${took} ms`);
        bench.assertHistory(
          pod,
          `${started}
      ? Running sandbox init | main:exited(137,Error)
        Failed init | main:exited(137,Error)
        gone`,
        );
        await bench.assertNothingRuns(pod);
      });

    it("after a forced deletion the object is gone at once, and the processes soon", async () => {
      const deaf = "trap '' TERM; at up; (trap '' TERM; while :; do sleep 0.1; done) & while :; do sleep 0.1; done";
      const pod = await begin("forced", deaf, { terminationGracePeriodSeconds: 3 });
      assert.ok(bench.processesOf(pod).length > 0);
      const took = await bench.remove(pod, 0);
      assert.ok(took < 60_000, `${took} ms`);
      await bench.assertNothingRuns(pod);
      bench.assertHistory(pod, `${started}\n gone`);
    });

    it("a pod that is active for too long fails, and stays", async () => {
      const pod = await begin("overdue", `echo last words; ${untilTerm}`, {
        activeDeadlineSeconds: 600,
        restartPolicy: "Always",
      });
      // It may be made shorter while the pod runs: nobody knows before when that will be.
      const activeFor = Date.now() - Date.parse(bench.last(pod).status?.startTime ?? "");
      const activeDeadlineSeconds = Math.ceil(activeFor / 1000) + 5;
      const ref = { name: pod, namespace: "default" };
      await bench.client.patch(pods, ref, "merge", { spec: { activeDeadlineSeconds } });
      await bench.untilLine(pod, "Failed");
      bench.assertHistory(
        pod,
        `${started}
      ? Running sandbox init | main:exited(0,Completed)
        Failed/DeadlineExceeded init | main:exited(0,Completed)`,
      );
      const text = "Pod was active on the node longer than the specified deadline";
      const { status } = bench.last(pod);
      assert.equal(status?.message, text);
      const end = status?.containerStatuses?.[0]?.state?.terminated?.finishedAt ?? "";
      const active = Date.parse(end) - Date.parse(status?.startTime ?? "");
      assert.ok(
        active >= 1000 * activeDeadlineSeconds,
        `${status?.startTime} to ${end}, not ${activeDeadlineSeconds} s`,
      );
      await bench.untilEvent(pod, new RegExp(`^Normal DeadlineExceeded: ${text}`));
      await bench.assertNothingRuns(pod);
      // What it had to say is there as long as the pod is.
      assert.equal(await bench.kubectl("logs", pod), "last words");
      await bench.remove(pod);
      await assert.rejects(bench.kubectl("logs", pod), /NotFound/);
    });

    it("the end of a container is told in its own words: of its file, or of its log", async () => {
      const pod = "words";
      const fallback = { terminationMessagePolicy: "FallbackToLogsOnError" };
      const file = "/dev/termination-log";
      await bench.run(pod, {
        restartPolicy: "Never",
        containers: [
          bench.container(pod, "a-file", `echo out; printf 'by file' >${file}; exit 1`),
          bench.container(pod, "b-own-path", `printf 'by my file' >${bench.scratch}/my-words`, {
            terminationMessagePath: `${bench.scratch}/my-words`,
          }),
          bench.container(pod, "c-log", "echo first; echo second >&2; exit 1", fallback),
          bench.container(pod, "d-file-first", `echo out; printf 'file first' >${file}; exit 1`, fallback),
          bench.container(pod, "e-success", "echo out", fallback),
          bench.container(pod, "f-none", "echo out; exit 1"),
          bench.container(
            pod,
            "g-long",
            `i=0; while [ $i -lt 500 ]; do echo 0123456789; i=$((i+1)); done >${file}; exit 1`,
          ),
          bench.container(
            pod,
            "h-long-log",
            "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done; exit 1",
            fallback,
          ),
        ],
      });
      await bench.untilLine(pod, "Failed");
      const words = (bench.last(pod).status?.containerStatuses ?? []).map(({ state }) => state?.terminated?.message);
      const lines = Array.from({ length: 80 }, (_, index) => `line ${index + 421}\n`).join("");
      assert.deepEqual(words.slice(0, 2), ["by file", "by my file"]);
      assert.deepEqual([...(words[2] ?? "").trim().split("\n")].sort(), ["first", "second"]);
      assert.deepEqual(words.slice(3, 6), ["file first", undefined, undefined]);
      // All messages of a pod together have 12 KiB: here 1536 bytes for each.
      assert.equal(words[6]?.length, 1536);
      assert.match(words[6] ?? "", /^\d*\n(0123456789\n)+\d*$/);
      assert.equal(words[7], lines);
      await bench.assertNothingRuns(pod);
    });
  });
}
