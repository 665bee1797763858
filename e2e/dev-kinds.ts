// One object of every built-in kind, for requests that are the same for all of them: make, read, list as a table, change, delete.
import { apiData, type Resource } from "../packages/dev-cluster/src/api-data.ts";
import { type Json, type JsonObject, text } from "../packages/dev-cluster/src/json.ts";

const container = { name: "c", image: "example.com/app:1" };
const podTemplate = { metadata: { labels: { app: "x" } }, spec: { containers: [container] } };
const matchLabels = { matchLabels: { app: "x" } };
const jobTemplate = { spec: { template: { spec: { restartPolicy: "Never", containers: [container] } } } };
const client = { service: { namespace: "default", name: "x" } };
const webhook = { name: "x.example.com", clientConfig: client, sideEffects: "None", admissionReviewVersions: ["v1"] };
const rule = { operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] };
const devices = { devices: { requests: [{ name: "r", exactly: { deviceClassName: "x" } }] } };
const target = { apiVersion: "apps/v1", kind: "Deployment", name: "x" };
/** What is in the object beside its kind and metadata, by the key of its resource. */
export const documentsOfKinds: Readonly<Record<string, JsonObject>> = {
  configmaps: { data: { a: "1" } },
  endpoints: { subsets: [{ addresses: [{ ip: "10.1.1.1" }], ports: [{ port: 80 }] }] },
  events: { involvedObject: { kind: "Pod", namespace: "default", name: "x" }, reason: "Told", type: "Normal" },
  limitranges: { spec: { limits: [{ type: "Container", max: { cpu: "1" } }] } },
  namespaces: {},
  nodes: { spec: { podCIDR: "10.2.0.0/24" } },
  persistentvolumeclaims: {
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName: "x" },
  },
  persistentvolumes: {
    spec: { accessModes: ["ReadOnlyMany"], capacity: { storage: "1Gi" }, hostPath: { path: "/x" } },
  },
  pods: { spec: { containers: [container], schedulerName: "nobody" } },
  podtemplates: { template: podTemplate },
  replicationcontrollers: { spec: { replicas: 0, selector: { app: "x" }, template: podTemplate } },
  resourcequotas: { spec: { hard: { configmaps: "10" } } },
  secrets: { stringData: { a: "1" } },
  serviceaccounts: {},
  services: { spec: { selector: { app: "x" }, ports: [{ port: 80 }] } },
  "mutatingwebhookconfigurations.admissionregistration.k8s.io": { webhooks: [{ ...webhook, rules: [rule] }] },
  "mutatingadmissionpolicies.admissionregistration.k8s.io": {
    spec: {
      matchConstraints: { resourceRules: [rule] },
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression: "Object{}" } }],
      reinvocationPolicy: "Never",
    },
  },
  "mutatingadmissionpolicybindings.admissionregistration.k8s.io": { spec: { policyName: "x" } },
  "validatingwebhookconfigurations.admissionregistration.k8s.io": { webhooks: [{ ...webhook, rules: [rule] }] },
  "validatingadmissionpolicies.admissionregistration.k8s.io": {
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: "true" }] },
  },
  "validatingadmissionpolicybindings.admissionregistration.k8s.io": {
    spec: { policyName: "x", validationActions: ["Deny"] },
  },
  "controllerrevisions.apps": { data: { spec: {} }, revision: 1 },
  "daemonsets.apps": { spec: { selector: matchLabels, template: podTemplate } },
  "deployments.apps": { spec: { replicas: 0, selector: matchLabels, template: podTemplate } },
  "replicasets.apps": { spec: { replicas: 0, selector: matchLabels, template: podTemplate } },
  "statefulsets.apps": { spec: { replicas: 0, selector: matchLabels, template: podTemplate } },
  "horizontalpodautoscalers.autoscaling": { spec: { scaleTargetRef: target, maxReplicas: 2 } },
  "cronjobs.batch": { spec: { schedule: "0 3 * * *", jobTemplate } },
  "jobs.batch": jobTemplate,
  "leases.coordination.k8s.io": { spec: { holderIdentity: "x", leaseDurationSeconds: 10 } },
  "endpointslices.discovery.k8s.io": {
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.1.1.1"], conditions: { ready: true } }],
    ports: [{ name: "", port: 80 }],
  },
  "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {
    spec: { type: "Limited", limited: { nominalConcurrencyShares: 5, limitResponse: { type: "Reject" } } },
  },
  "ipaddresses.networking.k8s.io": {
    metadata: { name: "10.99.0.1" },
    spec: { parentRef: { resource: "services", namespace: "default", name: "x" } },
  },
  "servicecidrs.networking.k8s.io": { spec: { cidrs: ["10.99.0.0/16"] } },
  "ingressclasses.networking.k8s.io": { spec: { controller: "example.com/x" } },
  "ingresses.networking.k8s.io": { spec: { defaultBackend: { service: { name: "x", port: { number: 80 } } } } },
  "networkpolicies.networking.k8s.io": { spec: { podSelector: matchLabels } },
  "runtimeclasses.node.k8s.io": { handler: "x" },
  "poddisruptionbudgets.policy": { spec: { minAvailable: 1, selector: matchLabels } },
  "clusterrolebindings.rbac.authorization.k8s.io": {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ kind: "User", name: "x" }],
  },
  "clusterroles.rbac.authorization.k8s.io": { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] },
  "rolebindings.rbac.authorization.k8s.io": {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ kind: "ServiceAccount", namespace: "default", name: "x" }],
  },
  "roles.rbac.authorization.k8s.io": { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] },
  "deviceclasses.resource.k8s.io": { spec: {} },
  "resourceclaims.resource.k8s.io": { spec: devices },
  "resourceclaimtemplates.resource.k8s.io": { spec: { spec: devices } },
  "resourceslices.resource.k8s.io": {
    spec: {
      driver: "x.example.com",
      nodeName: "x",
      pool: { name: "x", generation: 1, resourceSliceCount: 1 },
      devices: [{ name: "a" }],
    },
  },
  "priorityclasses.scheduling.k8s.io": { value: 5 },
  "csidrivers.storage.k8s.io": { spec: {} },
  "csinodes.storage.k8s.io": { spec: { drivers: [{ name: "example.com", nodeID: "x", topologyKeys: ["a"] }] } },
  "csistoragecapacities.storage.k8s.io": { storageClassName: "x" },
  "storageclasses.storage.k8s.io": { provisioner: "example.com/x" },
  "volumeattachments.storage.k8s.io": {
    spec: { attacher: "example.com", nodeName: "x", source: { persistentVolumeName: "x" } },
  },
  "volumeattributesclasses.storage.k8s.io": { driverName: "example.com", parameters: { a: "1" } },
};

export interface KindRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: Json;
  readonly type?: string;
  readonly accept?: string;
}

/** `unused`: kinds that there is no object of here. */
export function requestsOfKinds(): { readonly requests: readonly KindRequest[]; readonly unused: readonly string[] } {
  const makeable = apiData().resources.filter(
    ({ verbs, isStored }) => isStored && verbs.includes("list") && verbs.includes("create"),
  );
  return {
    requests: makeable.flatMap((each) => lifeOf(each, documentsOfKinds[each.key])),
    unused: makeable.filter(({ key }) => documentsOfKinds[key] === undefined).map(({ key }) => key),
  };
}

const table = "application/json;as=Table;v=v1;g=meta.k8s.io";

function lifeOf({ group, apiVersion, namespaced, name, kind }: Resource, document?: JsonObject): KindRequest[] {
  if (document === undefined) return [];
  const root = group === "" ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const { metadata, ...content } = document;
  const own = text(metadata, "name") || "x";
  const path = `${root}/${namespaced ? "namespaces/default/" : ""}${name}`;
  return [
    { method: "POST", path, body: { apiVersion, kind, metadata: { name: own, labels: { of: "all" } }, ...content } },
    { method: "GET", path: `${path}/${own}` },
    { method: "GET", path: `${path}?labelSelector=of=all`, accept: table },
    {
      method: "PATCH",
      path: `${path}/${own}`,
      type: "application/merge-patch+json",
      body: { metadata: { labels: { b: "1" } } },
    },
    { method: "DELETE", path: `${path}/${own}` },
  ];
}
