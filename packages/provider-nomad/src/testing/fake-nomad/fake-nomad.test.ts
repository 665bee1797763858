// The fake does as real agents do: order and ends of tasks, restarts, places, variables, logs, rights, lists.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadAllocation, NomadTaskState } from "../../wire.ts";
import type { NomadTask } from "../../wire-job.ts";
import { jobOf, NomadBench, scriptTask } from "../nomad-bench.ts";

const bench = await NomadBench.start({ namespaces: ["default", "team"] });
const { nomad, client, context } = bench;
after(() => bench[Symbol.asyncDispose]());

const endless = "exec sleep 3600";
const second = 1_000_000_000;

async function until(job: string, is: (allocation: NomadAllocation) => boolean): Promise<NomadAllocation> {
  return await eventually(`${job} as wanted`, 10_000, async () => {
    const [first] = await client.jobAllocations(job, context);
    return first !== undefined && is(first) ? await client.allocation(first.ID, context) : undefined;
  });
}

const isOver = ({ ClientStatus }: NomadAllocation): boolean => ClientStatus === "complete" || ClientStatus === "failed";
const typesOf = ({ Events }: NomadTaskState = assert.fail("no such task")): readonly string[] =>
  (Events ?? []).map(({ Type }) => Type);

async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${nomad.address}/v1/${path}`, init);
}

/** All that the task `main` of an allocation has said. */
async function logged(allocation: string, all: string): Promise<void> {
  await eventually("its log", 10_000, async () => {
    const log = await raw(`client/fs/logs/${allocation}?task=main&type=stdout&plain=true`);
    return (await log.text()) === all;
  });
}

async function register(id: string, namespace: string): Promise<Response> {
  const body = JSON.stringify({ Job: jobOf(id, [scriptTask("main", "true")]) });
  return await raw(`jobs?namespace=${namespace}`, { method: "PUT", body });
}

describe("tasks", () => {
  it("run in the order of their lifecycle", async () => {
    const order = '"$NOMAD_ALLOC_DIR/data/order"';
    const say = (name: string): string => `echo ${name} >>${order}`;
    // A process that has been started may not have come to write.
    const written = (name: string): string => `until grep -q ${name} ${order}; do sleep 0.05; done`;
    const hook = (Hook: "prestart" | "poststart" | "poststop"): Partial<NomadTask> => ({
      Lifecycle: { Hook, Sidecar: false },
    });
    await bench.register("order", [
      scriptTask("last", `${say("last")}; cat ${order}`, hook("poststop")),
      scriptTask("main", `${say("main")}; ${written("second")}`),
      scriptTask("second", `${written("main")}; ${say("second")}`, hook("poststart")),
      scriptTask("first", `sleep 0.1; ${say("first")}`, hook("prestart")),
    ]);
    const { ID, ClientStatus, TaskStates } = await until("order", isOver);
    assert.equal(ClientStatus, "complete");
    const log = await raw(`client/fs/logs/${ID}?task=last&type=stdout&plain=true`);
    assert.equal(await log.text(), "first\nmain\nsecond\nlast\n");
    assert.ok((TaskStates?.["main"]?.StartedAt ?? "") <= (TaskStates?.["second"]?.StartedAt ?? ""));
    assert.deepEqual(typesOf(TaskStates?.["main"]), ["Received", "Task Setup", "Started", "Terminated"]);
  });

  it("end with a sibling that fails for good", async () => {
    const up = '"$NOMAD_ALLOC_DIR/data/up"';
    await bench.register("siblings", [
      scriptTask("bad", `until [ -e ${up} ]; do sleep 0.05; done; exit 3`),
      scriptTask("good", `: >${up}; ${endless}`),
    ]);
    const { TaskStates, ClientStatus } = await until("siblings", isOver);
    assert.equal(ClientStatus, "failed");
    const { bad, good } = TaskStates ?? {};
    assert.equal(bad?.Failed, true);
    assert.deepEqual(typesOf(bad).slice(-2), ["Terminated", "Not Restarting"]);
    assert.equal(good?.Failed, false);
    await until("siblings", (allocation) => allocation.TaskStates?.["good"]?.State === "dead");
    const [ended] = await client.jobAllocations("siblings", context);
    const events = ended?.TaskStates?.["good"]?.Events ?? [];
    assert.deepEqual(typesOf(ended?.TaskStates?.["good"]).slice(-4), [
      "Sibling Task Failed",
      "Killing",
      "Terminated",
      "Killed",
    ]);
    const terminated = events.find(({ Type }) => Type === "Terminated");
    assert.deepEqual([terminated?.Details?.["exit_code"], terminated?.Details?.["signal"]], ["143", "15"]);
  });

  it("start again by their policy, and by nobody's when it is used up", async () => {
    const RestartPolicy = { Attempts: 1, Interval: 60 * second, Delay: second, Mode: "fail" as const };
    await bench.register("again", [scriptTask("main", "exit 1", { RestartPolicy })]);
    const { TaskStates } = await until("again", isOver);
    const state = TaskStates?.["main"];
    assert.equal(state?.Restarts, 1);
    assert.match(state?.Events?.at(-1)?.DisplayMessage ?? "", /^Exceeded allowed attempts 1 in interval/);
    // Of a service a good end is a reason, too.
    await bench.register("service", [scriptTask("main", "exit 0", { RestartPolicy })], "service");
    assert.equal((await until("service", isOver)).ClientStatus, "failed");
  });

  it("are told no more than ten events of", async () => {
    const RestartPolicy = { Attempts: 9, Interval: 600 * second, Delay: second, Mode: "fail" as const };
    await bench.register("many", [scriptTask("main", "exit 1", { RestartPolicy })]);
    const { TaskStates } = await until("many", isOver);
    assert.equal(TaskStates?.["main"]?.Events?.length, 10);
    assert.equal(TaskStates?.["main"]?.Restarts, 9);
  });

  it("are stopped with their job, and stay until it is purged", async () => {
    const script = "trap 'exit 7' QUIT; echo ready; while :; do sleep 0.05; done";
    await bench.register("stopped", [scriptTask("main", script, { KillSignal: "SIGQUIT" })]);
    const { ID } = await until("stopped", ({ ClientStatus }) => ClientStatus === "running");
    await logged(ID, "ready\n");
    await client.deregisterJob("stopped", { purge: false }, context);
    const { TaskStates, DesiredStatus } = await until("stopped", isOver);
    assert.equal(DesiredStatus, "stop");
    assert.equal(TaskStates?.["main"]?.Events?.find(({ Type }) => Type === "Terminated")?.ExitCode, 7);
    assert.equal((await client.job("stopped", context))?.Status, "dead");
    await client.deregisterJob("stopped", { purge: true }, context);
    assert.equal(await client.job("stopped", context), undefined);
    assert.equal((await client.deregisterJob("stopped", { purge: true }, context)).EvalID, "");
  });

  it("with a setting that their driver does not know fail at once", async () => {
    await bench.register("unknown", [scriptTask("main", "true", { Config: { command: "/bin/true", image: "x" } })]);
    const { TaskStates } = await until("unknown", isOver);
    assert.deepEqual(typesOf(TaskStates?.["main"]).slice(-2), ["Failed Validation", "Not Restarting"]);
  });
});

describe("jobs", () => {
  it("are registered once where their index is enforced", async () => {
    const job = jobOf("enforced", [scriptTask("main", endless)]);
    await client.registerJob(job, { jobModifyIndex: 0 }, context);
    await assert.rejects(client.registerJob(job, { jobModifyIndex: 0 }, context), {
      ...{ kind: "Conflict", message: /Enforcing job modify index 0: job already exists/ },
    });
    await client.stopJob("enforced", { why: "over" }, context);
    assert.deepEqual((await client.job("enforced", context))?.Meta, { why: "over" });
    await until("enforced", isOver);
  });

  it("that cannot be are refused with all that is wrong", async () => {
    const job = jobOf("bad", [scriptTask("main", "true", { Resources: { CPU: 0, MemoryMB: 1 } })]);
    await assert.rejects(client.registerJob(job, {}, context), {
      ...{ kind: "Invalid", message: /minimum CPU value is 1.*minimum MemoryMB value is 10/ },
    });
    const answer = await register("foreign", "nobodys");
    assert.deepEqual(
      [answer.status, await answer.text()],
      [500, 'job "foreign" is in nonexistent namespace "nobodys"'],
    );
  });

  it("without a place wait for one", async () => {
    const large = scriptTask("main", endless, { Resources: { CPU: 200_000, MemoryMB: 64 } });
    const job = jobOf("large", [large]);
    const { FailedTGAllocs } = await client.planJob(job, context);
    assert.deepEqual(FailedTGAllocs?.["pod"]?.DimensionExhausted, { cpu: 1 });
    await client.registerJob(job, {}, context);
    assert.deepEqual(
      (await client.jobEvaluations("large", context)).map(({ Status }) => Status),
      ["complete", "blocked"],
    );
    assert.deepEqual(await client.jobAllocations("large", context), []);
    const { ID } = nomad.nodes.add({ mhz: 300_000 });
    nomad.jobs.reevaluate();
    assert.equal((await until("large", ({ ClientStatus }) => ClientStatus === "running")).NodeID, ID);
    nomad.nodes.change(ID, { SchedulingEligibility: "ineligible" });
  });

  it("are listed in pages, by what their meta says", async () => {
    for (const id of ["page-1", "page-2", "page-3"])
      await client.registerJob({ ...jobOf(id, [scriptTask("main", "true")]), Meta: { of: "pages" } }, {}, context);
    const filter = encodeURIComponent('Meta["of"] == "pages"');
    const first = await raw(`jobs?meta=true&filter=${filter}&per_page=2`);
    assert.equal(first.headers.get("x-nomad-nexttoken"), "default.page-3");
    assert.equal((await client.listJobs({ filter: 'Meta["of"] == "pages"' }, context)).length, 3);
  });
});

describe("variables", () => {
  it("are changed by who knows what they are", async () => {
    const put = (cas: number, text: string): Promise<Response> =>
      raw(`var/nomad/jobs/x?cas=${cas}`, { method: "PUT", body: JSON.stringify({ Items: { text } }) });
    const made: unknown = await (await put(0, "one")).json();
    assert.ok(typeof made === "object" && made !== null && "ModifyIndex" in made);
    assert.equal((await put(0, "two")).status, 409);
    assert.equal((await put(Number(made.ModifyIndex), "two")).status, 200);
    assert.equal((await client.variable("nomad/jobs/x", context))?.Items["text"], "two");
    assert.deepEqual(await client.listVariables("nomad/jobs/x", context), ["nomad/jobs/x"]);
    await client.deleteVariable("nomad/jobs/x", context);
    await client.deleteVariable("nomad/jobs/x", context);
  });

  it("are waited for by templates, and renew what is made of them", async () => {
    const path = "nomad/jobs/files/pod";
    const EmbeddedTmpl = `{{ with nomadVar "${path}" }}{{ base64Decode .a.Value }}{{ end }}`;
    const Templates = [{ EmbeddedTmpl, DestPath: "local/a", ChangeMode: "noop" as const }];
    await bench.register("files", [scriptTask("main", `cat "$NOMAD_TASK_DIR/a"; ${endless}`, { Templates })]);
    await until("files", ({ TaskStates }) => typesOf(TaskStates?.["main"]).includes("Template"));
    await client.putVariable({ Path: path, Items: { a: btoa("one") } }, context);
    const { ID } = await until("files", ({ ClientStatus }) => ClientStatus === "running");
    await logged(ID, "one");
    await client.putVariable({ Path: path, Items: { a: btoa("two") } }, context);
    await eventually("a file anew", 10_000, async () => {
      return (await (await raw(`client/fs/cat/${ID}?path=main/local/a`)).text()) === "two";
    });
    const stdout = new PassThrough();
    const command = ["/bin/sh", "-c", 'cat "$NOMAD_TASK_DIR/a"; exit 9'];
    const { exitCode } = await client.exec({ allocation: ID, task: "main" }, command, { tty: false, stdout }, context);
    assert.deepEqual([exitCode, await text(stdout.end())], [9, "two"]);
  });
});

describe("logs", () => {
  it("come as frames from any offset, and are followed beyond the end", async () => {
    await bench.register("frames", [scriptTask("main", "echo one; echo two >&2; echo three")]);
    const { ID } = await until("frames", isOver);
    const path = `client/fs/logs/${ID}?task=main&type=stdout`;
    assert.deepEqual(await (await raw(`${path}&offset=4`)).json(), {
      ...{ Offset: 4, Data: btoa("three\n"), File: "alloc/logs/main.stdout.0" },
    });
    assert.equal(await (await raw(`${path}&plain=true&origin=end&offset=3`)).text(), "ee\n");
    assert.equal((await raw(path.replace("main", "other"))).status, 400);
    const followed = await raw(`${path}&follow=true&plain=true`);
    const reader = followed.body?.getReader() ?? assert.fail("no body");
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "one\nthree\n");
    const more = reader.read();
    nomad.faults.cutStreams();
    await assert.rejects(more);
  });
});

describe("rights", () => {
  it("are those of the token, the namespace and the region", async () => {
    nomad.acl.tokens = new Map([["reader", new Set(["list-jobs"])]]);
    const as = async (token: string, path: string): Promise<readonly unknown[]> => {
      const answer = await raw(path, { headers: { "x-nomad-token": token } });
      return [answer.status, answer.ok ? "" : await answer.text()];
    };
    assert.deepEqual(await as("", "jobs"), [403, "Permission denied"]);
    assert.deepEqual(await as("old", "jobs"), [403, "ACL token not found"]);
    assert.deepEqual(await as("reader", "jobs"), [200, ""]);
    assert.deepEqual(await as("reader", "nodes"), [403, "Permission denied"]);
    assert.equal(await (await raw("event/stream", { headers: { "x-nomad-token": "reader" } })).text(), "");
    nomad.acl.tokens = undefined;
    assert.deepEqual(await as("", "jobs?region=mars"), [500, "No path to region"]);
    assert.equal((await register("theirs", "team")).status, 200);
    assert.equal(await client.job("theirs", context), undefined);
    assert.deepEqual(await as("", "job/theirs?namespace=team"), [200, ""]);
  });
});
