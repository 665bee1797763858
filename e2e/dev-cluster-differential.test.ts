// The same requests to the development cluster and to a real control plane: what differs is a fault of the former, apart from what
// is named here.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { after, before, suite, test } from "node:test";
import {
  isObject,
  type Json,
  type JsonObject,
  list,
  object,
  parseJson,
  text,
} from "../packages/dev-cluster/src/json.ts";
import { type ControlPlane, startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { startDevControlPlane } from "./dev-control-plane.ts";

interface Step {
  readonly method: string;
  readonly path: string;
  readonly body?: Json;
  readonly type?: string;
  readonly accept?: string;
  /** Only the code and the reason are compared: the message is put together from Go's types. */
  readonly messageDiffers?: boolean;
}

const pods = "/api/v1/namespaces/default/pods";
const maps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const container: JsonObject = { name: "c", image: "nginx:1" };
const pod = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { schedulerName: "nobody", containers: [container], ...spec },
});
const deployment = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    paused: true,
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    ...spec,
  },
});
const merge = "application/merge-patch+json";
const strategic = "application/strategic-merge-patch+json";
const jsonPatch = "application/json-patch+json";

const steps: readonly Step[] = [
  { method: "GET", path: "/api" },
  { method: "GET", path: "/apis/apps" },
  { method: "GET", path: "/apis/apps/v1" },
  { method: "GET", path: "/apis/batch/v1" },
  { method: "GET", path: "/api/v1/nothing" },
  { method: "POST", path: pods, body: pod("a") },
  { method: "POST", path: pods, body: pod("a") },
  { method: "GET", path: `${pods}/a` },
  { method: "GET", path: `${pods}/b` },
  { method: "POST", path: pods, body: pod("x", { containers: [] }) },
  { method: "POST", path: pods, body: pod("A_") },
  { method: "POST", path: pods, body: pod("x", { containers: "c" }), messageDiffers: true },
  { method: "POST", path: pods, body: pod("x", { restartPolicy: "No" }), messageDiffers: true },
  { method: "POST", path: `${pods}?fieldValidation=Strict`, body: pod("x", { nothing: 1 }) },
  { method: "POST", path: pods, body: pod("x", { serviceAccountName: "nobody" }) },
  { method: "POST", path: "/api/v1/namespaces/nowhere/pods", body: pod("x") },
  {
    method: "POST",
    path: pods,
    body: pod("x", { containers: [{ ...container, volumeMounts: [{ name: "v", mountPath: "/v" }] }] }),
  },
  {
    method: "POST",
    path: pods,
    body: pod("limited", { containers: [{ ...container, resources: { limits: { cpu: "0.5", memory: "1024Mi" } } }] }),
  },
  { method: "PATCH", path: `${pods}/a`, type: strategic, body: { metadata: { labels: { x: "1" } } } },
  {
    method: "PATCH",
    path: `${pods}/a`,
    type: strategic,
    body: { spec: { containers: [{ name: "c", image: "nginx:2" }] } },
  },
  { method: "PATCH", path: `${pods}/a`, type: jsonPatch, body: [{ op: "remove", path: "/metadata/labels/x" }] },
  { method: "PATCH", path: `${pods}/a`, type: merge, body: { metadata: { uid: "other" } }, messageDiffers: true },
  {
    method: "PATCH",
    path: `${pods}/a/status`,
    type: merge,
    body: { status: { phase: "Running", podIP: "10.1.1.1" } },
    messageDiffers: true,
  },
  { method: "PATCH", path: `${pods}/a`, type: "text/plain", body: {}, messageDiffers: true },
  { method: "DELETE", path: `${pods}/a`, body: { preconditions: { uid: "other" } }, messageDiffers: true },
  { method: "DELETE", path: `${pods}/a` },
  { method: "GET", path: `${pods}?fieldSelector=spec.nothing=1` },
  { method: "GET", path: `${pods}?limit=x`, messageDiffers: true },
  { method: "POST", path: maps, body: { metadata: { name: "m" }, data: { a: "1" } } },
  { method: "PUT", path: `${maps}/m`, body: { metadata: { name: "m", resourceVersion: "1" }, data: {} } },
  { method: "PUT", path: `${maps}/m`, body: { metadata: { name: "n" }, data: {} } },
  { method: "PUT", path: `${maps}/none`, body: { metadata: { name: "none" }, data: {} } },
  { method: "GET", path: `${maps}/m`, accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io" },
  { method: "DELETE", path: `${maps}/m` },
  { method: "POST", path: deployments, body: deployment("d") },
  { method: "GET", path: `${deployments}/d/scale` },
  { method: "POST", path: deployments, body: deployment("e", { selector: { matchLabels: { app: "other" } } }) },
  {
    method: "PATCH",
    path: `${deployments}/d`,
    type: merge,
    body: { spec: { selector: { matchLabels: { app: "z" } } } },
    messageDiffers: true,
  },
  {
    method: "POST",
    path: "/api/v1/namespaces/default/secrets",
    body: { metadata: { name: "s" }, stringData: { a: "b" } },
  },
  {
    method: "POST",
    path: "/api/v1/namespaces/default/services",
    body: { metadata: { name: "svc" }, spec: { ports: [{ port: 80 }] } },
  },
  { method: "POST", path: "/api/v1/nodes", body: { metadata: { name: "n" } } },
  { method: "POST", path: `${pods}/nothing/eviction`, body: { metadata: { name: "nothing" } } },
  { method: "GET", path: `${pods}/limited/log` },
  {
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    body: { spec: { resourceAttributes: { verb: "get", resource: "pods" } } },
    messageDiffers: true,
  },
];

interface Answer {
  readonly code: number;
  readonly body: Json;
}

function caller(plane: ControlPlane): (step: Step) => Promise<Answer> {
  const [user] = list(parseJson(readFileSync(plane.kubeconfig, "utf8")), "users");
  const decode = (field: string): string => Buffer.from(text(user, "user", field), "base64").toString();
  const credentials = {
    ca: readFileSync(plane.caFile, "utf8"),
    cert: decode("client-certificate-data"),
    key: decode("client-key-data"),
  };
  return ({ method, path, body, type, accept }) =>
    new Promise((settle, reject) => {
      const sent = body === undefined ? "" : JSON.stringify(body);
      const headers = {
        accept: accept ?? "application/json",
        "content-type": type ?? "application/json",
        "content-length": Buffer.byteLength(sent),
      };
      const outgoing = request(
        `${plane.server}${path}`,
        { method, headers, agent: false, ...credentials },
        (incoming) => {
          const settleWith = (chunks: readonly Buffer[]): void => {
            const body = parseJson(Buffer.concat(chunks).toString() || "null");
            settle({ code: incoming.statusCode ?? 0, body });
          };
          incoming.toArray().then(settleWith, reject);
        },
      );
      outgoing.once("error", reject).end(sent);
    });
}

/** Other in every cluster, or the server's own business. */
const foreign = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "managedFields",
  "deletionTimestamp",
  "clusterIP",
  "clusterIPs",
  "serverAddressByClientCIDRs",
  "storageVersionHash",
  "timeAdded",
  "observedGeneration",
  "conditions",
]);

function comparable(value: Json): Json {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === "string") return value.replaceAll(/kube-api-access-\w{5}/g, "kube-api-access-xxxxx");
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => !foreign.has(key));
  return Object.fromEntries(kept.map(([key, each]) => [key, comparable(each ?? null)]));
}

function told({ code, body }: Answer, { messageDiffers }: Step): Json {
  if (messageDiffers !== true) return { code, body: comparable(body) };
  return code < 400 ? { code } : { code, reason: text(object(body), "reason") };
}

suite("development cluster and real control plane", { timeout: 300_000 }, () => {
  const planes: ControlPlane[] = [];
  before(async () => {
    planes.push(...(await Promise.all([startControlPlane(), startDevControlPlane()])));
  });
  after(() => Promise.all(planes.map((plane) => plane.stop())));

  for (const [index, step] of steps.entries()) {
    test(`${index} ${step.method} ${step.path}`, async () => {
      const [real, ours] = await Promise.all(planes.map((plane) => caller(plane)(step)));
      assert.ok(real !== undefined && ours !== undefined);
      assert.deepEqual(told(ours, step), told(real, step));
    });
  }
});
