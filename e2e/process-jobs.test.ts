// Jobs whose pods are processes of this machine: what the Job controller makes of their ends. Needs root on Linux.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { jobs, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Job, JobSpec, Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { patience } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { podTemplate } from "./harness.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

let semantics: ProcessSemantics;

before(async () => {
  semantics = await startProcesses();
});
after(() => semantics?.[Symbol.asyncDispose]());

const ended = "Failed/Complete".split("/");

/** Makes the Job and waits for its end. */
async function finished(name: string, podSpec: Partial<PodSpec>, spec: Partial<JobSpec> = {}): Promise<Stored<Job>> {
  const template = podTemplate({ spec: { restartPolicy: "Never", ...podSpec } });
  await semantics.harness.client.create(jobs, {
    metadata: { name, namespace: "default" },
    spec: { ...spec, template },
  });
  return semantics.harness.until("has ended", jobs, name, patience, ({ status }) =>
    (status?.conditions ?? []).some(({ type, status: holds }) => ended.includes(type) && holds === "True"),
  );
}

const endOf = ({ status }: Job): string | undefined =>
  status?.conditions?.find(({ type, status: holds }) => ended.includes(type) && holds === "True")?.reason;
/** All that was ever shown of it: what is written by others may come sooner than its own end. */
async function assertHistory(pod: string, golden: string): Promise<void> {
  await semantics.until("has ended", pod, ({ status }) => ["Succeeded", "Failed"].includes(status?.phase ?? ""));
  semantics.assertHistory(pod, golden);
}
const podsOf = (job: string): Promise<readonly Stored<Pod>[]> => semantics.harness.list(pods, `job-name=${job}`);
const words = (name: string): readonly string[] => semantics.stamps(name).map(({ what }) => what);

describe("Jobs of processes", { concurrency: true, timeout: 900_000 }, () => {
  it("fail once more pods have failed than backoffLimit allows", async () => {
    const main = semantics.container("limited", "main", "at $run; exit 3");
    const job = await finished("limited", { containers: [main] }, { backoffLimit: 1 });
    assert.deepEqual([endOf(job), job.status?.failed, job.status?.succeeded ?? 0], ["BackoffLimitExceeded", 2, 0]);
    assert.deepEqual(words("limited"), ["1", "2"]);
    const failed = await podsOf("limited");
    assert.equal(failed.length, 2);
    for (const { metadata } of failed)
      await assertHistory(
        metadata.name,
        `? Pending init | main:waiting(ContainerCreating)
         ? Pending sandbox init | main:waiting(ContainerCreating)
         ? Running sandbox init ready | main:running+ready
         Failed init | main:exited(3,Error)`,
      );
  });

  it("count the restarts of a container in its pod", async () => {
    const main = semantics.container("restarting", "main", "at $run; sleep 0.5; exit 4");
    const job = await finished("restarting", { restartPolicy: "OnFailure", containers: [main] }, { backoffLimit: 2 });
    assert.equal(endOf(job), "BackoffLimitExceeded");
    // The first and two restarts; the controller ends the pod then, perhaps before the last one could write.
    assert.match(words("restarting").join(), /^1,2(,3)?$/);
    for (const { metadata } of await podsOf("restarting"))
      await semantics.harness.untilGone(pods, metadata.name, patience);
  });

  it("end at once by an exit code that podFailurePolicy says is final", async () => {
    const main = semantics.container("final", "main", "at $run; exit 42");
    const onExitCodes = { containerName: "main", operator: "In", values: [42] };
    const rules = [{ action: "FailJob", onExitCodes }];
    const job = await finished("final", { containers: [main] }, { backoffLimit: 6, podFailurePolicy: { rules } });
    assert.deepEqual([endOf(job), job.status?.failed], ["PodFailurePolicy", 1]);
    const message = job.status?.conditions?.find(({ type }) => type === "Failed")?.message;
    assert.match(
      message ?? "",
      /^Container main for pod default\/final-\S+ failed with exit code 42 matching FailJob rule/,
    );
    assert.deepEqual(words("final"), ["1"]);
  });

  it("do not count the exit codes that podFailurePolicy ignores", async () => {
    const main = semantics.container("ignored", "main", 'at $run; [ "$run" -le 2 ] && exit 43; exit 0');
    const rules = [{ action: "Ignore", onExitCodes: { operator: "In", values: [43] } }];
    const job = await finished("ignored", { containers: [main] }, { backoffLimit: 0, podFailurePolicy: { rules } });
    assert.deepEqual([endOf(job), job.status?.failed ?? 0, job.status?.succeeded], ["CompletionsReached", 0, 1]);
    assert.deepEqual(words("ignored"), ["1", "2", "3"]);
    const codes = (await podsOf("ignored")).map(
      ({ status }) => status?.containerStatuses?.[0]?.state?.terminated?.exitCode,
    );
    assert.deepEqual([...codes].sort(), [0, 43, 43]);
  });

  it("complete beside a sidecar, which starts before the main container and is stopped after it, however it ends", async () => {
    const name = "accompanied";
    const side = semantics.container(
      name,
      "side",
      `trap 'at side-told; sleep 0.5; at side-end; exit 9' TERM; at side-up; while :; do sleep 0.1; done`,
      {
        restartPolicy: "Always",
        startupProbe: {
          exec: { command: ["/bin/sh", "-c", `grep -q side-up ${semantics.stampFile(name)}`] },
          periodSeconds: 1,
        },
      },
    );
    const main = semantics.container(name, "main", "at main-up; sleep 1; at main-end");
    const job = await finished(name, { initContainers: [side], containers: [main] }, { backoffLimit: 0 });
    assert.deepEqual([endOf(job), job.status?.succeeded, job.status?.failed ?? 0], ["CompletionsReached", 1, 0]);
    assert.deepEqual(words(name), ["side-up", "main-up", "main-end", "side-told", "side-end"]);
    const [pod] = await podsOf(name);
    assert.ok(pod !== undefined);
    await assertHistory(
      pod.metadata.name,
      `? Pending | side:waiting(PodInitializing) main:waiting(PodInitializing)
       ? Pending sandbox | side:waiting(PodInitializing) main:waiting(PodInitializing)
       ? Pending sandbox | side:running main:waiting(PodInitializing)
       ? Pending sandbox init | side:running+ready main:waiting(PodInitializing)
       Running sandbox init ready | side:running+ready main:running+ready
       Running sandbox init | side:running+ready main:exited(0,Completed)
       Succeeded init | side:exited(9,Error) main:exited(0,Completed)`,
    );
    const { initContainerStatuses = [] } = pod.status ?? {};
    assert.deepEqual(
      initContainerStatuses.map(({ restartCount }) => restartCount),
      [0],
    );
  });
});
