// What the API server fills in where users say nothing, by the type it is said in. The order of fields is the server's own matter.
import { isList, type Json, list, text } from "./json.ts";

type Fields = Record<string, Json>;
type Default = Json | ((value: Fields) => Json | undefined);

const probe: Readonly<Record<string, Default>> = {
  timeoutSeconds: 1,
  periodSeconds: 10,
  successThreshold: 1,
  failureThreshold: 3,
};
const container: Readonly<Record<string, Default>> = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  imagePullPolicy: (value) => (isLatest(text(value, "image")) ? "Always" : "IfNotPresent"),
  resources: {},
};
const workload: Readonly<Record<string, Default>> = { replicas: 1, revisionHistoryLimit: 10 };
const retained = { whenDeleted: "Retain", whenScaled: "Retain" };
const eightyPercent = { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } };
const selectors = { namespaceSelector: {}, objectSelector: {} };
const webhook = { ...selectors, failurePolicy: "Fail", matchPolicy: "Equivalent", timeoutSeconds: 10 };
const rolling = { maxUnavailable: "25%", maxSurge: "25%" };

/** By the name of the schema without `io.k8s.api.`. */
const table: Readonly<Record<string, Readonly<Record<string, Default>>>> = {
  "core.v1.PodSpec": {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
    serviceAccount: (value) => value["serviceAccountName"],
  },
  "core.v1.Container": container,
  "core.v1.EphemeralContainer": container,
  "core.v1.ContainerPort": { protocol: "TCP" },
  "core.v1.Probe": probe,
  "core.v1.HTTPGetAction": { path: "/", scheme: "HTTP" },
  "core.v1.GRPCAction": { service: "" },
  "core.v1.EndpointPort": { protocol: "TCP" },
  "core.v1.LimitRangeItem": {
    default: (value) => (value["type"] === "Container" ? value["max"] : undefined),
    defaultRequest: (value) => value["default"],
  },
  "core.v1.NodeSpec": { podCIDRs: (value) => (value["podCIDR"] === undefined ? undefined : [value["podCIDR"]]) },
  "core.v1.ObjectFieldSelector": { apiVersion: "v1" },
  "core.v1.ResourceFieldSelector": { divisor: "0" },
  "core.v1.SecretVolumeSource": { defaultMode: 0o644 },
  "core.v1.ConfigMapVolumeSource": { defaultMode: 0o644 },
  "core.v1.DownwardAPIVolumeSource": { defaultMode: 0o644 },
  "core.v1.ProjectedVolumeSource": { defaultMode: 0o644 },
  "core.v1.ServiceAccountTokenProjection": { expirationSeconds: 3600 },
  "core.v1.HostPathVolumeSource": { type: "" },
  "core.v1.ResourceRequirements": {
    // What is limited is asked for, where nothing else is said.
    requests: (value) => value["limits"],
  },
  "core.v1.Volume": { emptyDir: (value) => (Object.keys(value).length === 1 ? {} : undefined) },
  "core.v1.Secret": { type: "Opaque" },
  "core.v1.ServiceSpec": {
    type: "ClusterIP",
    sessionAffinity: "None",
    internalTrafficPolicy: (value) => (value["type"] === "ExternalName" ? undefined : "Cluster"),
  },
  "core.v1.ServicePort": {
    protocol: "TCP",
    targetPort: (value) => value["port"],
  },
  // Within StatefulSets, too.
  "core.v1.PersistentVolumeClaim": { apiVersion: "v1", kind: "PersistentVolumeClaim", status: { phase: "Pending" } },
  "core.v1.PersistentVolumeClaimSpec": { volumeMode: "Filesystem" },
  "core.v1.PersistentVolumeSpec": { persistentVolumeReclaimPolicy: "Retain", volumeMode: "Filesystem" },
  "core.v1.ReplicationControllerSpec": { replicas: 1 },
  "apps.v1.DeploymentSpec": { ...workload, progressDeadlineSeconds: 600, strategy: {} },
  "apps.v1.DeploymentStrategy": {
    type: "RollingUpdate",
    rollingUpdate: (value) => (value["type"] === "Recreate" ? undefined : rolling),
  },
  "apps.v1.RollingUpdateDeployment": rolling,
  "apps.v1.ReplicaSetSpec": { replicas: 1 },
  "apps.v1.StatefulSetSpec": {
    ...workload,
    serviceName: "",
    podManagementPolicy: "OrderedReady",
    updateStrategy: {},
    persistentVolumeClaimRetentionPolicy: retained,
  },
  "apps.v1.StatefulSetUpdateStrategy": {
    type: "RollingUpdate",
    rollingUpdate: (value) => (value["type"] === "OnDelete" ? undefined : { partition: 0 }),
  },
  "apps.v1.DaemonSetSpec": { revisionHistoryLimit: 10, updateStrategy: {} },
  "apps.v1.DaemonSetUpdateStrategy": {
    type: "RollingUpdate",
    rollingUpdate: (value) => (value["type"] === "OnDelete" ? undefined : { maxSurge: 0, maxUnavailable: 1 }),
  },
  "batch.v1.JobSpec": {
    backoffLimit: (value) => (value["backoffLimitPerIndex"] === undefined ? 6 : 2_147_483_647),
    completions: (value) => (value["parallelism"] === undefined ? 1 : undefined),
    parallelism: 1,
    completionMode: "NonIndexed",
    suspend: false,
    podReplacementPolicy: (value) => (value["podFailurePolicy"] === undefined ? "TerminatingOrFailed" : "Failed"),
    manualSelector: false,
  },
  "batch.v1.JobTemplateSpec": { metadata: {} },
  "core.v1.PodTemplateSpec": { metadata: {} },
  "scheduling.v1.PriorityClass": { preemptionPolicy: "PreemptLowerPriority" },
  "batch.v1.CronJobSpec": {
    concurrencyPolicy: "Allow",
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  },
  "rbac.v1.RoleRef": { apiGroup: "rbac.authorization.k8s.io" },
  "rbac.v1.Subject": {
    apiGroup: (value) => (value["kind"] === "ServiceAccount" ? undefined : "rbac.authorization.k8s.io"),
  },
  "networking.v1.NetworkPolicySpec": {
    policyTypes: (value) => (list(value, "egress").length > 0 ? ["Ingress", "Egress"] : ["Ingress"]),
  },
  "autoscaling.v2.HorizontalPodAutoscalerSpec": {
    minReplicas: 1,
    metrics: [{ type: "Resource", resource: eightyPercent }],
  },
  "admissionregistration.v1.MatchResources": { ...selectors, matchPolicy: "Equivalent" },
  "admissionregistration.v1.MutatingAdmissionPolicySpec": { failurePolicy: "Fail" },
  "admissionregistration.v1.MutatingWebhook": { ...webhook, reinvocationPolicy: "Never" },
  "admissionregistration.v1.NamedRuleWithOperations": { scope: "*" },
  "admissionregistration.v1.RuleWithOperations": { scope: "*" },
  "admissionregistration.v1.ServiceReference": { port: 443 },
  "admissionregistration.v1.ValidatingAdmissionPolicySpec": { failurePolicy: "Fail" },
  "admissionregistration.v1.ValidatingWebhook": webhook,
  "discovery.v1.EndpointPort": { name: "", protocol: "TCP" },
  "flowcontrol.v1.FlowSchemaSpec": { matchingPrecedence: 1000 },
  "flowcontrol.v1.LimitedPriorityLevelConfiguration": { nominalConcurrencyShares: 30, lendablePercent: 0 },
  "flowcontrol.v1.QueuingConfiguration": { queues: 64, handSize: 8, queueLengthLimit: 50 },
  "resource.v1.ExactDeviceRequest": {
    allocationMode: "ExactCount",
    count: (value) => (value["allocationMode"] === "ExactCount" ? 1 : undefined),
  },
  "resource.v1.ResourceClaimTemplateSpec": { metadata: {} },
  "storage.v1.CSIDriverSpec": {
    attachRequired: true,
    podInfoOnMount: false,
    volumeLifecycleModes: ["Persistent"],
    storageCapacity: false,
    fsGroupPolicy: "ReadWriteOnceWithFSType",
    requiresRepublish: false,
    seLinuxMount: false,
  },
  "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference": { port: 443 },
  "storage.v1.StorageClass": { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" },
};

/** A copy of the fields of an object of this schema, with the defaults. What is nested in a default gets its own. */
export function defaultsOf(schema: string, fields: Fields): Fields {
  const defaults = table[schema.replace(/^io\.k8s\.api\./, "")];
  if (defaults === undefined) return fields;
  const complete = { ...fields };
  for (const [field, value] of Object.entries(defaults)) {
    if (complete[field] !== undefined) continue;
    const filled = typeof value === "function" ? value(complete) : value;
    if (filled === undefined) continue;
    const nested = nestedIn[field];
    const isEmpty =
      typeof filled === "object" && filled !== null && !isList(filled) && Object.keys(filled).length === 0;
    complete[field] = isEmpty && nested !== undefined ? defaultsOf(nested(schema), {}) : filled;
  }
  return complete;
}

/** Fields whose empty default has defaults of its own. */
const nestedIn: Readonly<Record<string, (schema: string) => string>> = {
  strategy: () => "apps.v1.DeploymentStrategy",
  updateStrategy: (schema) =>
    schema.includes("DaemonSet") ? "apps.v1.DaemonSetUpdateStrategy" : "apps.v1.StatefulSetUpdateStrategy",
};

/** No tag, or the tag `latest`; a digest is neither. */
function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const last = image.slice(image.lastIndexOf("/") + 1);
  return !last.includes(":") || last.endsWith(":latest");
}
