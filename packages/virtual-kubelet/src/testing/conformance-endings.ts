// The part of the conformance suite about ends that are asked for: deletions, and stops after which the pod stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerTarget } from "../provider/streams.ts";
import {
  type Bench,
  type ConformanceOptions,
  expectNotFound,
  identities,
  isNotFound,
  isOver,
  optional,
} from "./conformance-bench.ts";

/** A pod that is to stay is seen to be there after this time. */
const lingerMs = 1500;

/** Registers the tests; within a `describe`. */
export function endingsConformance(bench: Bench, options: ConformanceOptions): void {
  test("a deletion ends within its grace, and can be asked for again", async () => {
    const { owner } = await bench.created();
    await bench.running(owner);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 5 }, bench.context);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 2 }, bench.context).catch(expectNotFound);
    await bench.ended(owner, 5);
  });

  test("a deletion with no grace ends at once", async () => {
    const { owner } = await bench.created();
    await bench.running(owner);
    await bench.deleted(owner, 0);
  });

  test("a pod can be deleted before it runs", async () => {
    const { owner } = await bench.created();
    await bench.appeared(owner);
    await bench.deleted(owner, 1);
  });

  optional(
    options.lacks?.includes("stopPod") === true ? undefined : "a stopped pod stays, with its end and its failure",
    async () => {
      assert.ok(bench.provider.stopPod !== undefined);
      const target = await bench.runningTarget(options.loggingPod);
      const { owner } = target;
      // On a busy machine a container runs for a while before it writes.
      if (bench.provider.getContainerLogs !== undefined && options.loggingPod !== undefined)
        await bench.until(async () => (await logBytes(bench, target)) > 0, "a line of the log");
      const failure = { reason: "DeadlineExceeded", message: "too long", disruption: "TerminationByKubelet" };
      await bench.provider.stopPod(owner, { gracePeriodSeconds: 5, failure }, bench.context);
      await bench.provider.stopPod(owner, { gracePeriodSeconds: 2 }, bench.context);
      const over = await bench.report(owner, isOver, "the pod to stop");
      assert.deepEqual(over.failure, failure);
      const listed = (await bench.provider.getPods(bench.context)).find((report) => report.owner.uid === owner.uid);
      assert.deepEqual(listed?.failure, failure);
      await sleep(lingerMs);
      assert.deepEqual(
        identities(bench.see(await bench.provider.getPodStatus(owner, bench.context))),
        identities(over),
      );
      if (bench.provider.getContainerLogs !== undefined) {
        const bytes = await logBytes(bench, target);
        if (options.loggingPod !== undefined) assert.ok(bytes > 0, "the log is there after the end");
      }
      await bench.deleted(owner, 1);
      await assert.rejects(
        bench.provider.stopPod(bench.request().owner, { gracePeriodSeconds: 1 }, bench.context),
        isNotFound,
      );
    },
  );

  optional(
    options.lacks?.includes("stopPod") === true ? undefined : "a pod can be stopped before it runs",
    async () => {
      assert.ok(bench.provider.stopPod !== undefined);
      const { owner } = await bench.created();
      await bench.appeared(owner);
      const failure = { reason: "Terminated", message: "the node goes down" };
      await bench.provider.stopPod(owner, { gracePeriodSeconds: 1, failure }, bench.context);
      const stopped = await bench.report(
        owner,
        (report) => report.failure !== undefined && !report.containers.some(({ state }) => state.running !== undefined),
        "the pod to stop",
      );
      await sleep(lingerMs);
      const later = bench.see(await bench.provider.getPodStatus(owner, bench.context));
      assert.deepEqual(identities(later), identities(stopped), "nothing of it began after its failure was told");
      await bench.deleted(owner, 1);
    },
  );
}

async function logBytes(bench: Bench, target: ContainerTarget): Promise<number> {
  const logs = await bench.provider.getContainerLogs?.(target, {}, bench.context);
  let bytes = 0;
  for await (const chunk of logs?.data ?? []) bytes += chunk.length;
  return bytes;
}
