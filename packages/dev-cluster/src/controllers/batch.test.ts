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
