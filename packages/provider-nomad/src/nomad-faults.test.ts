// What becomes of pods when Nomad fails: lost answers, no leader, too many calls, lost and drained clients, streams that are cut.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { after, describe, it } from "node:test";
import { type PodRequest, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup, GroupRef } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { jobID } from "./names.ts";
import { NomadBackend } from "./nomad-backend.ts";
import type { FakeAllocation } from "./testing/fake-nomad/fake-allocation.ts";
import { podRequest } from "./testing/golden-pods.ts";
import { NomadBench } from "./testing/nomad-bench.ts";

const bench = await NomadBench.start({ nodes: [{}, {}] });
const { nomad, client, context } = bench;
const { faults } = nomad;
const backend = new NomadBackend({
  ...{ client, config: parseNomadConfig({ address: nomad.address }, {}), cluster: "c1", node: "nomad" },
  ...{ clock: systemClock, log: silentLogger, followEveryMs: 20 },
});
after(async () => {
  await backend[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
  assert.deepEqual(nomad.problems, []);
});

const spec: PodRequest["pod"]["spec"] = {
  restartPolicy: "Never",
  containers: [
    { name: "main", image: "app", env: [{ name: "P", valueFrom: { secretKeyRef: { name: "s", key: "password" } } }] },
  ],
};
const wanted = (uid: string): PodRequest => podRequest({ name: "web", uid, spec });
const bookOf = (uid: string) => nomad.books.find(({ id }) => id === jobID(uid));

async function until(ref: GroupRef, is: (group: CloudGroup) => boolean): Promise<CloudGroup> {
  return await eventually("the group as wanted", 10_000, async () => {
    const [group] = await backend.describe([ref], context);
    return group !== undefined && is(group) ? group : undefined;
  });
}

async function running(uid: string): Promise<{ readonly ref: GroupRef; readonly allocation: FakeAllocation }> {
  const request = wanted(uid);
  const { id } = await backend.create(request, context);
  const ref = { id, owner: request.owner };
  await until(ref, ({ stage }) => stage === "running");
  return { ref, allocation: nomad.jobs.allocations.findLast(({ options }) => options.job.ID === id) ?? assert.fail() };
}

describe("a creation", () => {
  it("whose answer is lost is made once", async () => {
    faults.loseAnswers("register", 1);
    await assert.rejects(backend.create(wanted("lost-answer"), context), { kind: "Unavailable" });
    await backend.create(wanted("lost-answer"), context);
    assert.equal(nomad.jobs.made.get(jobID("lost-answer")), 1);
  });

  it("without a leader, or beyond the limit of calls, can be tried again", async () => {
    faults.leaderless = true;
    await assert.rejects(backend.create(wanted("later"), context), {
      ...{ kind: "Unavailable", message: /No cluster leader/ },
    });
    faults.leaderless = false;
    faults.fail("register", 1, 429, "too many");
    await assert.rejects(backend.create(wanted("later"), context), { kind: "Throttled" });
    assert.equal(bookOf("later"), undefined);
    await backend.create(wanted("later"), context);
    assert.equal(bookOf("later")?.live, true);
  });

  it("that Nomad refuses leaves no secret behind", async () => {
    faults.fail("register", 1, 500, "1 error occurred:\n\t* Task group pod validation failed");
    await assert.rejects(backend.create(wanted("refused"), context), { kind: "Invalid" });
    assert.deepEqual(nomad.variables.list("default", `nomad/jobs/${jobID("refused")}/`), []);
  });
});

describe("a running pod", () => {
  const taken = [
    ["whose client is lost", "NodeLost", (allocation: FakeAllocation) => nomad.jobs.lose(allocation)],
    ["whose client is drained", "Stopped", (allocation: FakeAllocation) => nomad.jobs.migrate(allocation)],
    ["that is preempted", "Preempted", (allocation: FakeAllocation) => nomad.jobs.preempt(allocation)],
  ] as const;
  for (const [what, reason, take] of taken)
    it(`${what} fails, and runs nowhere else`, async () => {
      const { ref, allocation } = await running(`taken-${reason.toLowerCase()}`);
      take(allocation);
      const group = await until(ref, ({ stage }) => stage === "ended");
      assert.equal(group.failure?.reason, reason);
      assert.match(group.failure?.disruption ?? "", /ByNomad$/);
      await eventually("nothing of it runs", 10_000, () => {
        const own = nomad.jobs.allocations.filter(({ options }) => options.job.ID === ref.id);
        return own.length === 2 && own.every(({ isTerminal }) => isTerminal);
      });
    });

  it("that somebody stops in Nomad has failed", async () => {
    const { ref } = await running("by-hand");
    await client.deregisterJob(ref.id, { purge: false }, context);
    const group = await until(ref, ({ stage }) => stage === "ended");
    assert.deepEqual(group.failure, { reason: "Stopped", message: "the job was stopped in Nomad" });
  });

  it("tells who follows its log, or runs a command in it, of a cut", async () => {
    const { ref } = await running("cut");
    const group = await until(ref, () => true);
    const { data } = await backend.logs({ group, container: "main" }, { follow: true }, context);
    const reader = data[Symbol.asyncIterator]();
    assert.match(Buffer.from((await reader.next()).value ?? []).toString(), /^main env=/);
    const more = Promise.resolve(reader.next());
    const io = { stdout: new PassThrough(), tty: false };
    const command = backend.exec({ group, container: "main" }, ["sleep", "60"], io, context);
    const told = [more, command].map((each) => assert.rejects(each, { kind: "Unavailable" }));
    // Both logs, and the command.
    await eventually("all have begun", 10_000, () => faults.open === 3);
    faults.cutStreams();
    await Promise.all(told);
  });

  it("whose removal is not answered goes when it is asked for again", async () => {
    const { ref } = await running("removed");
    faults.loseAnswers("deregister", 1);
    await assert.rejects(backend.remove(ref, { gracePeriodSeconds: 1 }, context), { kind: "Unavailable" });
    await backend.remove(ref, { gracePeriodSeconds: 1 }, context);
    await eventually("it is gone", 10_000, async () => {
      await backend.describe([ref], context);
      return bookOf("removed") === undefined;
    });
    assert.deepEqual(nomad.variables.list("default", `nomad/jobs/${ref.id}/`), []);
  });
});
