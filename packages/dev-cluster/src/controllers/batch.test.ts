import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { type ApiCaller, eventually } from "../testing/api-caller.ts";
import { type ServedCluster, startServedCluster } from "../testing/served-cluster.ts";
import { formatIndexes, parseIndexes } from "./job-indexes.ts";

let shift = 0;
const now = (): number => Date.now() + shift;

let cluster: ServedCluster;
let api: ApiCaller;
before(async () => {
  cluster = await startServedCluster({ now, nodeMonitorGraceMs: 600_000 });
  ({ api } = cluster);
});
after(() => cluster.stop());

const batch = "/apis/batch/v1/namespaces/default";
const podsPath = "/api/v1/namespaces/default/pods";
const template = (app: string, spec: JsonObject = {}): JsonObject => ({
  metadata: { labels: { app } },
  spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i:1" }], ...spec },
});

async function podsOf(app: string): Promise<readonly Json[]> {
  return list((await api.get(`${podsPath}?labelSelector=app=${app}`)).body, "items");
}

async function jobUntil(name: string, condition: string): Promise<JsonObject> {
  return eventually(`${name} is ${condition}`, async () => {
    const { body } = await api.get(`${batch}/jobs/${name}`);
    const met = list(body, "status", "conditions").some((each) => text(each, "type") === condition);
    return met ? body : undefined;
  });
}

test("a CronJob makes a Job when it is due, by the name of its minute, and keeps as many as are asked for", async () => {
  const jobTemplate = { spec: { template: template("tick") } };
  const spec = { schedule: "* * * * *", successfulJobsHistoryLimit: 0, jobTemplate };
  assert.equal((await api.post(`${batch}/cronjobs`, { metadata: { name: "tick" }, spec })).code, 201);
  // A minute later, and its controller looks.
  shift += 60_000;
  await api.patch(`${batch}/cronjobs/tick`, { metadata: { labels: { looked: "at" } } });
  const cron = await eventually("it was scheduled", async () => {
    const { body } = await api.get(`${batch}/cronjobs/tick`);
    return text(body, "status", "lastSuccessfulTime") === "" ? undefined : body;
  });
  const due = Date.parse(text(cron, "status", "lastScheduleTime")) / 60_000;
  assert.ok(Number.isInteger(due) && due * 60_000 <= now());
  const events = list((await api.get("/api/v1/namespaces/default/events")).body, "items");
  const told = events
    .filter((each) => text(each, "involvedObject", "name") === "tick")
    .map((each) => text(each, "message"));
  assert.ok(told.includes(`Created job tick-${due}`), told.join());
  await eventually("its Job is gone", async () =>
    (await api.get(`${batch}/jobs/tick-${due}`)).code === 404 ? true : undefined,
  );
  const wrong = await api.post(`${batch}/cronjobs`, {
    metadata: { name: "never" },
    spec: { ...spec, schedule: "often" },
  });
  assert.equal(wrong.code, 422);
  assert.match(text(wrong.body, "message"), /spec\.schedule: Invalid value: "often"/);
});

test("a Job ends with its pods counted", async () => {
  const spec = { completions: 2, parallelism: 2, template: template("job") };
  await api.post(`${batch}/jobs`, { metadata: { name: "good" }, spec });
  assert.equal(number(await jobUntil("good", "Complete"), "status", "succeeded"), 2);
});

test("an Indexed Job runs each of its numbers once", async () => {
  const spec = { completions: 3, parallelism: 2, completionMode: "Indexed", template: template("numbered") };
  await api.post(`${batch}/jobs`, { metadata: { name: "numbered" }, spec });
  const job = await jobUntil("numbered", "Complete");
  assert.equal(text(job, "status", "completedIndexes"), "0-2");
  const pods = (await podsOf("numbered")).toSorted((a, b) =>
    text(a, "spec", "hostname") < text(b, "spec", "hostname") ? -1 : 1,
  );
  assert.deepEqual(
    pods.map((pod) => text(pod, "spec", "hostname")),
    ["numbered-0", "numbered-1", "numbered-2"],
  );
  const [variable] = list(list(pods[0], "spec", "containers")[0], "env");
  assert.equal(text(variable, "name"), "JOB_COMPLETION_INDEX");
  assert.equal(object(pods[1], "metadata", "labels")["batch.kubernetes.io/job-completion-index"], "1");
  const uncounted = { completionMode: "Indexed", parallelism: 1, template: template("x") };
  const refused = await api.post(`${batch}/jobs`, { metadata: { name: "x" }, spec: uncounted });
  assert.match(text(refused.body, "message"), /spec\.completions: Required value: when completion mode is Indexed/);
});

test("numbers are told in ranges", () => {
  assert.equal(formatIndexes([7, 0, 1, 2, 5]), "0-2,5,7");
  assert.deepEqual([...parseIndexes("0-2,5")], [0, 1, 2, 5]);
  assert.deepEqual([...parseIndexes("")], []);
});

test("a Job whose pods fail too often fails", async () => {
  const spec = { backoffLimit: 0, template: template("bad") };
  await api.post(`${batch}/jobs`, { metadata: { name: "fail" }, spec });
  const end = list(await jobUntil("fail", "Failed"), "status", "conditions").find(
    (each) => text(each, "type") === "Failed",
  );
  assert.equal(text(end, "reason"), "BackoffLimitExceeded");
});

const nowhere = { nodeSelector: { no: "node" } };
const finalizersOf = async (app: string): Promise<readonly Json[]> =>
  (await podsOf(app)).flatMap((pod) => list(pod, "metadata", "finalizers"));

test("after a failure that does not count the next pod waits, too", async () => {
  const rules = [{ action: "Ignore", onPodConditions: [{ type: "Ready", status: "False" }] }];
  const spec = { podFailurePolicy: { rules }, template: template("ignored") };
  await api.post(`${batch}/jobs`, { metadata: { name: "failing" }, spec });
  const failed = (count: number): Promise<true> =>
    eventually(`${count} failed`, async () => {
      const pods = await podsOf("ignored");
      const isOver = pods.every((pod) => text(pod, "status", "phase") === "Failed");
      return isOver && pods.length === count && (await finalizersOf("ignored")).length === 0 ? true : undefined;
    });
  await failed(1);
  shift += 10_000;
  await api.patch(`${batch}/jobs/failing`, { metadata: { labels: { looked: "at" } } });
  await failed(2);
  assert.equal(number((await api.get(`${batch}/jobs/failing`)).body, "status", "failed"), 0);
});

test("pods that a Job leaves behind are held by nobody", async () => {
  const spec = { parallelism: 2, template: template("left", nowhere) };
  await api.post(`${batch}/jobs`, { metadata: { name: "leaves" }, spec });
  await eventually("two pods", async () => ((await finalizersOf("left")).length === 2 ? true : undefined));
  await api.delete(`${batch}/jobs/leaves`, { propagationPolicy: "Orphan" });
  await eventually("let go", async () => ((await finalizersOf("left")).length === 0 ? true : undefined));
  const pods = await podsOf("left");
  assert.deepEqual(
    pods.map((pod) => list(pod, "metadata", "ownerReferences")),
    [[], []],
  );
});

test("the deadline of a Job does not run while it is suspended", async () => {
  const spec = { activeDeadlineSeconds: 100, template: template("slow", nowhere) };
  const job = `${batch}/jobs/slow`;
  await api.post(`${batch}/jobs`, { metadata: { name: "slow" }, spec });
  const pods = (count: number): Promise<true> =>
    eventually(`${count} pods`, async () => ((await podsOf("slow")).length === count ? true : undefined));
  await pods(1);
  const before = text((await api.get(job)).body, "status", "startTime");
  await api.patch(job, { spec: { suspend: true } });
  await pods(0);
  shift += 200_000;
  await api.patch(job, { metadata: { labels: { looked: "at" } } });
  await api.patch(job, { spec: { suspend: false } });
  await pods(1);
  const { status } = (await api.get(job)).body;
  assert.ok(text(status, "startTime") > before, "it begins anew");
  assert.deepEqual(
    list(status, "conditions").map((each) => text(each, "reason")),
    ["JobResumed"],
  );
  shift += 200_000;
  await api.patch(job, { metadata: { labels: { looked: "again" } } });
  const late = await jobUntil("slow", "Failed");
  assert.equal(text(list(late, "status", "conditions").at(-1), "reason"), "DeadlineExceeded");
});

test("a Job has failed once its last pod has ended, which counts; in its place comes another only then, if it is told so", async () => {
  await api.post("/api/v1/nodes", {
    metadata: { name: "silent" },
    status: { allocatable: { pods: "9" }, conditions: [{ type: "Ready", status: "True" }] },
  });
  const spec = { podReplacementPolicy: "Failed", activeDeadlineSeconds: 100 };
  const pod = template("last", { nodeName: "silent" });
  await api.post(`${batch}/jobs`, { metadata: { name: "ends" }, spec: { ...spec, template: pod } });
  const going = async (): Promise<Json> =>
    eventually("its pod goes", async () => {
      const [only, ...others] = await podsOf("last");
      return others.length === 0 && text(only, "metadata", "deletionTimestamp") !== "" ? only : undefined;
    });
  const end = async (which: Json): Promise<void> => {
    const path = `${podsPath}/${text(which, "metadata", "name")}`;
    await api.patch(`${path}/status`, { status: { phase: "Failed" } });
    await api.delete(path, { gracePeriodSeconds: 0 });
  };
  const until = (what: string, holds: (status: Json) => boolean): Promise<Json> =>
    eventually(what, async () => {
      const { status = {} } = (await api.get(`${batch}/jobs/ends`)).body;
      return holds(status) ? status : undefined;
    });
  await until("active", (status) => number(status, "active") === 1);
  await api.delete(`${podsPath}/${text((await podsOf("last"))[0], "metadata", "name")}`);
  await until("none in its place", (status) => number(status, "terminating") === 1 && !number(status, "active"));
  await end(await going());
  await until("counted", (status) => number(status, "failed") === 1);
  assert.equal((await podsOf("last")).length, 1, "the next one waits after a failure");
  shift += 10_000;
  await api.patch(`${batch}/jobs/ends`, { metadata: { labels: { waited: "" } } });
  await until("another", (status) => number(status, "active") === 1 && number(status, "failed") === 1);
  shift += 200_000;
  await api.patch(`${batch}/jobs/ends`, { metadata: { labels: { looked: "at" } } });
  const early = await until("too late", (status) => number(status, "terminating") === 1);
  const types = (status: Json): readonly string[] => list(status, "conditions").map((each) => text(each, "type"));
  assert.deepEqual(types(early), ["FailureTarget"]);
  await end(await going());
  const late = await until("failed", (status) => types(status).includes("Failed"));
  assert.deepEqual([number(late, "failed"), number(late, "terminating")], [2, 0]);
});

test("an event is forgotten an hour after it was told last", async () => {
  const path = "/api/v1/namespaces/default/events";
  const tell = async (name: string): Promise<void> => {
    const lastTimestamp = new Date(now()).toISOString().replace(/\.\d+/, "");
    const involvedObject = { kind: "Pod", name: "p", namespace: "default" };
    const { code } = await api.post(path, { metadata: { name }, involvedObject, reason: "Told", lastTimestamp });
    assert.equal(code, 201);
  };
  await tell("old");
  shift += 3_700_000;
  await tell("young");
  await api.patch(`${path}/old`, { metadata: { labels: { looked: "at" } } });
  await eventually("gone", async () => ((await api.get(`${path}/old`)).code === 404 ? true : undefined));
  assert.equal((await api.get(`${path}/young`)).code, 200);
});
