// Which resources of the API we speak of, and what every stored object is known to have.
import type {
  CertificateSigningRequest,
  ConfigMap,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Event,
  Job,
  Lease,
  Namespace,
  Node,
  ObjectMeta,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
  SubjectAccessReview,
  TokenReview,
} from "./types.gen.ts";

/** Any object of the API. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

/** Metadata that every object the API server returns has; checked where answers are decoded. */
export interface StoredMeta extends ObjectMeta {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** An object as the API server returned it. Immutable by convention: it is shared by all who read the cache. */
export type Stored<T extends KubeObject> = T & { readonly metadata: StoredMeta };

/** One resource of the API; `T` is the type of its objects. */
export interface Resource<T extends KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lower case, as in the path: "pods". */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the type; never set. */
  readonly objectType?: T;
}

/** Describes a resource. `apiVersion` is "v1" or "apps/v1". */
export function resource<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  namespaced: boolean,
): Resource<T> {
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : apiVersion.slice(0, slash);
  return { group, version: apiVersion.slice(slash + 1), kind, plural, namespaced };
}

export const pods: Resource<Pod> = resource("v1", "Pod", "pods", true);
export const nodes: Resource<Node> = resource("v1", "Node", "nodes", false);
export const events: Resource<Event> = resource("v1", "Event", "events", true);
export const secrets: Resource<Secret> = resource("v1", "Secret", "secrets", true);
export const configMaps: Resource<ConfigMap> = resource("v1", "ConfigMap", "configmaps", true);
export const services: Resource<Service> = resource("v1", "Service", "services", true);
export const serviceAccounts: Resource<ServiceAccount> = resource("v1", "ServiceAccount", "serviceaccounts", true);
export const namespaces: Resource<Namespace> = resource("v1", "Namespace", "namespaces", false);
export const leases: Resource<Lease> = resource("coordination.k8s.io/v1", "Lease", "leases", true);
export const deployments: Resource<Deployment> = resource("apps/v1", "Deployment", "deployments", true);
export const daemonSets: Resource<DaemonSet> = resource("apps/v1", "DaemonSet", "daemonsets", true);
export const replicaSets: Resource<ReplicaSet> = resource("apps/v1", "ReplicaSet", "replicasets", true);
export const statefulSets: Resource<StatefulSet> = resource("apps/v1", "StatefulSet", "statefulsets", true);
export const jobs: Resource<Job> = resource("batch/v1", "Job", "jobs", true);
export const endpointSlices: Resource<EndpointSlice> = resource(
  "discovery.k8s.io/v1",
  "EndpointSlice",
  "endpointslices",
  true,
);
export const podDisruptionBudgets: Resource<PodDisruptionBudget> = resource(
  "policy/v1",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
  true,
);
export const runtimeClasses: Resource<RuntimeClass> = resource(
  "node.k8s.io/v1",
  "RuntimeClass",
  "runtimeclasses",
  false,
);
export const certificateSigningRequests: Resource<CertificateSigningRequest> = resource(
  "certificates.k8s.io/v1",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  false,
);
export const tokenReviews: Resource<TokenReview> = resource(
  "authentication.k8s.io/v1",
  "TokenReview",
  "tokenreviews",
  false,
);
export const subjectAccessReviews: Resource<SubjectAccessReview> = resource(
  "authorization.k8s.io/v1",
  "SubjectAccessReview",
  "subjectaccessreviews",
  false,
);

/** The path of a collection, object or sub-resource, e.g. `/api/v1/namespaces/default/pods/web-0/status`. */
export function resourcePath<T extends KubeObject>(
  of: Resource<T>,
  where: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  } = {},
): string {
  let path = of.group === "" ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`;
  if (of.namespaced && where.namespace !== undefined) path += `/namespaces/${encodeURIComponent(where.namespace)}`;
  path += `/${of.plural}`;
  if (where.name !== undefined) path += `/${encodeURIComponent(where.name)}`;
  if (where.subresource !== undefined) path += `/${where.subresource}`;
  return path;
}
