// Objects that are sent to a real API server to see what it fills in, beside those of e2e/dev-kinds.ts: all that users write, and for
// each rule that depends on something an object in which that is otherwise.
import type { Json, JsonObject } from "../packages/dev-cluster/src/json.ts";

const get = { httpGet: { port: 80 } };
const disk = { monitors: ["a"], image: "b" };
const volumes: readonly JsonObject[] = [
  { emptyDir: {} },
  { secret: { secretName: "s" } },
  { configMap: { name: "m" } },
  { downwardAPI: { items: [{ path: "p", fieldRef: { fieldPath: "metadata.name" } }] } },
  { projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
  { projected: { sources: [{ downwardAPI: { items: [{ path: "p", fieldRef: { fieldPath: "metadata.name" } }] } }] } },
  { hostPath: { path: "/h" } },
  { iscsi: { targetPortal: "10.0.0.1:3260", iqn: "iqn.2026-01.example:a", lun: 0 } },
  { rbd: disk },
  { azureDisk: { diskName: "d", diskURI: "https://d.example.com" } },
  {
    ephemeral: {
      volumeClaimTemplate: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
    },
  },
];
const container: JsonObject = {
  name: "c",
  image: "example.com/app:1",
  ports: [{ containerPort: 80 }],
  livenessProbe: get,
  readinessProbe: { grpc: { port: 80 } },
  startupProbe: { tcpSocket: { port: 80 } },
  lifecycle: { preStop: get },
  env: [
    { name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "B", valueFrom: { resourceFieldRef: { containerName: "c", resource: "limits.cpu" } } },
  ],
};
const podSpec: JsonObject = {
  containers: [container, { name: "latest", image: "example.com/app", resources: { limits: { cpu: "1" } } }],
  initContainers: [{ name: "i", image: "example.com/app:1" }],
  serviceAccountName: "default",
  volumes: [{ name: "none" }, ...volumes.map((each, index) => ({ name: `v${index}`, ...each }))],
};
const template: JsonObject = { metadata: { labels: { app: "x" } }, spec: podSpec };
const selector = { matchLabels: { app: "x" } };
const job = { template: { spec: { ...podSpec, restartPolicy: "Never" } } };
const capacity = { accessModes: ["ReadOnlyMany"], capacity: { storage: "1Gi" } };
const claim = {
  metadata: { name: "d" },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
};
const rule = { operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] };
const hook = {
  name: "x.example.com",
  sideEffects: "None",
  admissionReviewVersions: ["v1"],
  clientConfig: { url: "https://x.example.com" },
};
const specs = (...all: readonly Json[]): readonly JsonObject[] => all.map((spec) => ({ spec }));

/** By the key of a resource. */
export const samples: Readonly<Record<string, readonly JsonObject[]>> = {
  pods: specs(podSpec),
  nodes: [{}],
  events: [{}],
  secrets: [{}],
  limitranges: specs({
    limits: [
      { type: "Pod", max: { cpu: "1" } },
      { type: "Container", default: { cpu: "1" } },
    ],
  }),
  persistentvolumes: specs(
    { ...capacity, iscsi: { targetPortal: "10.0.0.1:3260", iqn: "iqn.2026-01.example:a", lun: 0 } },
    { ...capacity, rbd: disk },
    { ...capacity, azureDisk: { diskName: "d", diskURI: "https://d.example.com" } },
  ),
  persistentvolumeclaims: [claim],
  services: specs(
    { type: "ExternalName", externalName: "x.example.com", ports: [{ port: 80 }] },
    { type: "NodePort", sessionAffinity: "ClientIP", ports: [{ port: 81 }] },
    { type: "LoadBalancer", ports: [{ port: 82 }] },
    { clusterIP: "None", selector: { app: "x" } },
  ),
  "deployments.apps": specs({ selector, template }, { selector, template, strategy: { type: "Recreate" } }),
  "statefulsets.apps": specs(
    { selector, template, volumeClaimTemplates: [claim] },
    { selector, template, updateStrategy: { type: "OnDelete" } },
    { selector, template, updateStrategy: { rollingUpdate: {} } },
  ),
  "daemonsets.apps": specs(
    { selector, template, updateStrategy: { type: "OnDelete" } },
    { selector, template, updateStrategy: { rollingUpdate: {} } },
  ),
  "replicasets.apps": specs({ selector, template }),
  "jobs.batch": specs(
    job,
    { ...job, parallelism: 2 },
    { ...job, completionMode: "Indexed", completions: 2, backoffLimitPerIndex: 1 },
    { ...job, podFailurePolicy: { rules: [{ action: "Ignore", onPodConditions: [{ type: "A" }] }] } },
  ),
  "cronjobs.batch": specs({ schedule: "0 3 * * *", jobTemplate: { spec: job } }),
  "networkpolicies.networking.k8s.io": specs(
    { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
    { podSelector: {}, egress: [{}] },
  ),
  "clusterrolebindings.rbac.authorization.k8s.io": [
    {
      roleRef: { kind: "ClusterRole", name: "view" },
      subjects: [{ kind: "ServiceAccount", namespace: "default", name: "x" }],
    },
  ],
  "rolebindings.rbac.authorization.k8s.io": [
    { roleRef: { kind: "ClusterRole", name: "view" }, subjects: [{ kind: "Group", name: "x" }] },
  ],
  "mutatingwebhookconfigurations.admissionregistration.k8s.io": [{ webhooks: [{ ...hook, rules: [rule] }] }],
  "flowschemas.flowcontrol.apiserver.k8s.io": specs({ priorityLevelConfiguration: { name: "exempt" } }),
  "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": specs({
    type: "Limited",
    limited: { limitResponse: { type: "Queue", queuing: {} } },
  }),
  "resourceclaims.resource.k8s.io": specs({
    devices: { requests: [{ name: "r", exactly: { deviceClassName: "x", allocationMode: "All" } }] },
  }),
  "endpointslices.discovery.k8s.io": [
    { addressType: "IPv4", endpoints: [{ addresses: ["10.1.1.1"] }], ports: [{ port: 80 }] },
  ],
  "apiservices.apiregistration.k8s.io": [
    {
      metadata: { name: "v1.a.example" },
      spec: {
        group: "a.example",
        version: "v1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name: "a", namespace: "default" },
      },
    },
  ],
};
