// Requests that no kubectl makes of itself: faults above all.
import { apiData } from "../packages/dev-cluster/src/api-data.ts";
import type { JsonObject } from "../packages/dev-cluster/src/json.ts";
import { type KindRequest, requestsOfKinds } from "./dev-kinds.ts";
import type { RecordedRequest } from "./dev-traffic.ts";

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
const apiServices = "/apis/apiregistration.k8s.io/v1/apiservices";
const apiService: JsonObject = {
  group: "b.example",
  version: "v1",
  groupPriorityMinimum: 100,
  versionPriority: 100,
  service: { name: "none", namespace: "default" },
};
const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
const newerEvents = "/apis/events.k8s.io/v1/namespaces/kube-public/events";
const microtime = "2026-01-01T00:00:00.000001Z";
const newerEvent: JsonObject = {
  metadata: { name: "e" },
  eventTime: microtime,
  reportingController: "example.com/c",
  reportingInstance: "c-1",
  action: "Telling",
  reason: "Told",
  type: "Normal",
  note: "said",
  regarding: { kind: "Pod", name: "p", namespace: "kube-public" },
};
const autoscaling = "/apis/autoscaling";
const scalers = "namespaces/default/horizontalpodautoscalers";
const scaler = (name: string, spec: JsonObject = {}): JsonObject => ({
  metadata: { name },
  spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "none" }, maxReplicas: 3, ...spec },
});
const selector = { matchLabels: { a: "b" } };
const service = { apiVersion: "v1", kind: "Service", name: "s" };
const metrics: readonly JsonObject[] = [
  { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "5Mi" } } },
  { type: "Pods", pods: { metric: { name: "m", selector }, target: { type: "AverageValue", averageValue: "5" } } },
  {
    type: "Object",
    object: { describedObject: service, metric: { name: "m" }, target: { type: "Value", value: "5" } },
  },
  {
    type: "External",
    external: { metric: { name: "m", selector }, target: { type: "AverageValue", averageValue: "7" } },
  },
  {
    type: "ContainerResource",
    containerResource: { name: "cpu", container: "c", target: { type: "Utilization", averageUtilization: 40 } },
  },
  { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 40 } } },
];
const behavior = { scaleDown: { stabilizationWindowSeconds: 5 } };
const scalerStatus: JsonObject = {
  currentReplicas: 2,
  desiredReplicas: 3,
  conditions: [{ type: "AbleToScale", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }],
  currentMetrics: [
    { type: "Resource", resource: { name: "cpu", current: { averageValue: "5m", averageUtilization: 10 } } },
    { type: "Object", object: { describedObject: service, metric: { name: "m" }, current: { value: "5" } } },
  ],
};
const merge = "application/merge-patch+json";
const strategic = "application/strategic-merge-patch+json";
const jsonPatch = "application/json-patch+json";

const discovery = apiData()
  .resources.filter(({ group }) => group !== "metrics.k8s.io")
  .flatMap(({ group, apiVersion }) => (group === "" ? ["/api/v1"] : [`/apis/${group}`, `/apis/${apiVersion}`]));

const steps: readonly KindRequest[] = [
  ...["/api", "/apis", ...new Set(discovery)].map((path) => ({ method: "GET", path })),
  { method: "POST", path: newerEvents, body: { metadata: { name: "bad" } } },
  { method: "POST", path: newerEvents, body: { ...newerEvent, action: "" } },
  { method: "POST", path: newerEvents, body: newerEvent },
  { method: "PATCH", path: `${newerEvents}/e`, type: merge, body: { note: "other" } },
  {
    method: "PATCH",
    path: `${newerEvents}/e`,
    type: merge,
    body: { series: { count: 2, lastObservedTime: microtime } },
  },
  { method: "GET", path: `${newerEvents}?fieldSelector=regarding.name=p` },
  { method: "GET", path: `${newerEvents}?fieldSelector=involvedObject.name=p` },
  { method: "GET", path: "/api/v1/namespaces/kube-public/events?fieldSelector=involvedObject.name=p" },
  { method: "GET", path: newerEvents, accept: table },
  {
    method: "POST",
    path: `${autoscaling}/v1/${scalers}`,
    body: scaler("older", { targetCPUUtilizationPercentage: 0 }),
  },
  { method: "POST", path: `${autoscaling}/v2/${scalers}`, body: scaler("none", { maxReplicas: 0 }) },
  { method: "POST", path: `${autoscaling}/v2/${scalers}`, body: scaler("all", { metrics, behavior }) },
  { method: "PUT", path: `${autoscaling}/v2/${scalers}/all/status`, body: { ...scaler("all"), status: scalerStatus } },
  { method: "GET", path: `${autoscaling}/v1/${scalers}/all` },
  { method: "PATCH", path: `${autoscaling}/v1/${scalers}/all`, type: merge, body: { spec: { maxReplicas: 4 } } },
  { method: "GET", path: `${autoscaling}/v2/${scalers}/all` },
  { method: "GET", path: `${apiServices}/v1.` },
  { method: "GET", path: `${apiServices}?fieldSelector=metadata.name=v1.apps`, accept: table },
  { method: "POST", path: apiServices, body: { metadata: { name: "v1.a.example" }, spec: apiService } },
  { method: "POST", path: apiServices, body: { metadata: { name: "v1.b.example" }, spec: apiService } },
  { method: "GET", path: "/apis/b.example/v1/things" },
  { method: "GET", path: "/apis/certificates.k8s.io/v1beta1" },
  { method: "GET", path: "/api/v1/nothing" },
  { method: "POST", path: pods, body: pod("a") },
  { method: "POST", path: pods, body: pod("a") },
  { method: "GET", path: `${pods}/a` },
  { method: "GET", path: `${pods}/b` },
  { method: "POST", path: pods, body: pod("x", { containers: [] }) },
  { method: "POST", path: pods, body: pod("A_") },
  { method: "POST", path: pods, body: pod("x", { containers: "c" }) },
  { method: "POST", path: pods, body: pod("x", { restartPolicy: "No" }) },
  { method: "POST", path: `${pods}?fieldValidation=Strict`, body: pod("x", { nothing: 1 }) },
  { method: "POST", path: pods, body: pod("x", { serviceAccountName: "nobody" }) },
  { method: "POST", path: pods, body: pod("x", { priorityClassName: "nobody" }) },
  { method: "POST", path: pods, body: pod("urgent", { priorityClassName: "system-cluster-critical" }) },
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
  { method: "PATCH", path: `${pods}/a`, type: merge, body: { metadata: { uid: "other" } } },
  {
    method: "PATCH",
    path: `${pods}/a/status`,
    type: merge,
    body: { status: { phase: "Running", podIP: "10.1.1.1" } },
  },
  { method: "PATCH", path: `${pods}/a`, type: "text/plain", body: {} },
  { method: "DELETE", path: `${pods}/a`, body: { preconditions: { uid: "other" } } },
  { method: "DELETE", path: `${pods}/a` },
  { method: "GET", path: `${pods}?fieldSelector=spec.nothing=1` },
  { method: "GET", path: `${pods}?limit=x` },
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
  },
];

export const requestsByHand: readonly RecordedRequest[] = [...steps, ...requestsOfKinds().requests].map(
  ({ method, path, body, type, accept }, index) => ({
    command: `${index} ${method} ${path}`,
    method,
    path,
    accept: accept ?? "application/json",
    contentType: type ?? "application/json",
    body: body === undefined ? "" : JSON.stringify(body),
  }),
);
