// The documents of the recorded traffic.

const meta = (name: string, more: object = {}): object => ({ metadata: { name, ...more } });
export const deployment = (image: string): object => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  ...meta("web"),
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: {
        containers: [
          {
            name: "main",
            image,
            ports: [{ containerPort: 80 }],
            env: [{ name: "A", value: "1" }],
            resources: { requests: { cpu: "0.1", memory: "1024Ki" } },
            readinessProbe: { httpGet: { port: 80 } },
            volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
          },
        ],
        volumes: [
          { name: "scratch", emptyDir: {} },
          { name: "own", configMap: { name: "settings" } },
        ],
      },
    },
  },
});
export const map = (value: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  ...meta("shared"),
  data: { value, other: "x" },
});
export const node = { apiVersion: "v1", kind: "Node", ...meta("n1", { labels: { zone: "a" } }) };
export const pod = (name: string, spec: object = {}): object => ({
  apiVersion: "v1",
  kind: "Pod",
  ...meta(name, { labels: { app: name } }),
  spec: { containers: [{ name: "c", image: "example.com/app" }], ...spec },
});
const template = { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "example.com/app:1" }] } };
export const revision = (kind: string, name: string, order: number): object => ({
  apiVersion: "apps/v1",
  kind: "ControllerRevision",
  metadata: {
    name: `${name}-${order}`,
    labels: { app: name },
    annotations: { "kubernetes.io/change-cause": `change ${order}` },
    ownerReferences: [
      { apiVersion: "apps/v1", kind, name, uid: `{{uid ${kind.toLowerCase()}s/default/${name}}}`, controller: true },
    ],
  },
  data: {
    spec: {
      template: {
        $patch: "replace",
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "c", image: `example.com/${name}:0.${order}` }] },
      },
    },
  },
  revision: order,
});
const regarding = { apiVersion: "v1", kind: "Pod", namespace: "kube-public", name: "p" };
export const events: readonly object[] = [
  {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "core", namespace: "kube-public" },
    involvedObject: regarding,
    reason: "Told",
    message: "of the core group",
    type: "Normal",
    source: { component: "c" },
    count: 2,
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:01:00Z",
  },
  {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "newer", namespace: "kube-public" },
    regarding,
    reason: "Told",
    note: "of the other group",
    type: "Warning",
    action: "Telling",
    reportingController: "example.com/c",
    reportingInstance: "c-1",
    eventTime: "2026-01-01T00:02:00.000001Z",
  },
];
const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
export const others: readonly object[] = [
  { apiVersion: "batch/v1", kind: "Job", ...meta("once"), spec: { template } },
  {
    apiVersion: "batch/v1",
    kind: "CronJob",
    ...meta("nightly"),
    spec: { schedule: "0 3 * * *", jobTemplate: { spec: { template } } },
  },
  {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    ...meta("db"),
    spec: {
      serviceName: "db",
      selector: { matchLabels: { app: "db" } },
      template: {
        metadata: { labels: { app: "db" } },
        spec: { containers: [{ name: "c", image: "example.com/db:1" }] },
      },
      volumeClaimTemplates: [{ ...meta("data"), spec: claim }],
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    ...meta("agent"),
    spec: {
      selector: { matchLabels: { app: "agent" } },
      template: {
        metadata: { labels: { app: "agent" } },
        spec: { containers: [{ name: "c", image: "example.com/agent:1" }] },
      },
    },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    ...meta("web"),
    spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    ...meta("closed"),
    spec: { podSelector: {} },
  },
  { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", ...meta("high"), value: 100 },
  {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    ...meta("web"),
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 },
  },
  { apiVersion: "v1", kind: "PersistentVolumeClaim", ...meta("claimed"), spec: claim },
  {
    apiVersion: "v1",
    kind: "PersistentVolume",
    ...meta("disk"),
    spec: { ...claim, resources: undefined, capacity: { storage: "1Gi" }, hostPath: { path: "/disk" } },
  },
  { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", ...meta("slow"), provisioner: "example.com/disks" },
  { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", ...meta("own"), spec: { controller: "example.com/own" } },
];
