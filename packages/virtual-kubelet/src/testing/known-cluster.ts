// What resolving a pod reads, from a table: whatever is not in it is absent.
import type { KubeObject, Stored, StoredMeta } from "../kube/resource.ts";
import type { ConfigMap, Node, Pod, PodSpec, RuntimeClass, Secret, Service, ServiceSpec } from "../kube/types.gen.ts";
import type {
  ClaimSource,
  ClusterTrustBundle,
  IssuedCertificate,
  Sources,
  TokenSource,
  View,
} from "../resolve/sources.ts";
import type { ClaimedVolume } from "../resolved-pod.ts";

export interface KnownCluster {
  /** By name, in the pod's namespace. */
  readonly configMaps?: Readonly<Record<string, Partial<ConfigMap> | "pending" | "unreadable">>;
  /** Values are given as text. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>> | "pending" | "unreadable">>;
  readonly services?: readonly Stored<Service>[] | "pending" | "unreadable";
  /** Handler by name. */
  readonly runtimeClasses?: Readonly<Record<string, string | undefined>> | "pending" | "unreadable";
  /** By name of the claim. */
  readonly claims?: Readonly<Record<string, ClaimedVolume | "pending" | "unreadable">> | undefined;
  readonly tokens?: (source: TokenSource) => View<string>;
  readonly trustBundles?: readonly ClusterTrustBundle[];
  readonly certificate?: IssuedCertificate;
  readonly allocatable?: Readonly<Record<string, string>> | "pending";
}

export const podNamespace = "shop";

export function knownPod(spec: Partial<PodSpec> = {}, metadata: Partial<StoredMeta> = {}): Stored<Pod> {
  return {
    metadata: { name: "web-0", namespace: podNamespace, uid: "uid-1", resourceVersion: "1", ...metadata },
    spec: { nodeName: "vk", serviceAccountName: "robot", containers: [{ name: "main", image: "i" }], ...spec },
  };
}

export function knownService(name: string, spec: ServiceSpec = {}, namespace: string = podNamespace): Stored<Service> {
  return { metadata: { name, namespace, uid: `${namespace}/${name}`, resourceVersion: "1" }, spec };
}

export function sourcesOf(cluster: KnownCluster = {}): Sources {
  const { services = [], trustBundles, certificate, allocatable = {}, tokens } = cluster;
  return {
    configMap: (namespace, name) => view(namespace, name, cluster.configMaps, (found): ConfigMap => found),
    secret: (namespace, name) =>
      view(
        namespace,
        name,
        cluster.secrets,
        (data): Secret => ({
          data: Object.fromEntries(
            Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "utf8").toString("base64")]),
          ),
        }),
      ),
    services: () => (typeof services === "string" ? stateOf(services) : { state: "found", value: services }),
    ...(cluster.claims !== undefined && {
      claim: ({ name }: ClaimSource): View<ClaimedVolume> => {
        const claimed = cluster.claims?.[name];
        if (claimed === undefined) return { state: "absent" };
        return typeof claimed === "string" ? stateOf(claimed) : { state: "found", value: claimed };
      },
    }),
    runtimeClass: (name) => {
      const { runtimeClasses = {} } = cluster;
      if (typeof runtimeClasses === "string") return stateOf(runtimeClasses);
      const handler = runtimeClasses[name];
      return handler === undefined
        ? { state: "absent" }
        : { state: "found", value: stored<RuntimeClass>(name, { handler }) };
    },
    token: (source) =>
      tokens?.(source) ?? { state: "found", value: `token for ${source.audience ?? "the API server"}` },
    trustBundles: () => (trustBundles === undefined ? { state: "absent" } : { state: "found", value: trustBundles }),
    certificate: () => (certificate === undefined ? { state: "absent" } : { state: "found", value: certificate }),
    node: (name) =>
      allocatable === "pending"
        ? { state: "pending" }
        : { state: "found", value: stored<Node>(name, { status: { allocatable } }) },
  };
}

function view<T extends object, O extends KubeObject>(
  namespace: string,
  name: string,
  table: Readonly<Record<string, T | "pending" | "unreadable">> | undefined,
  make: (found: T) => O,
): View<Stored<O>> {
  const found = namespace === podNamespace ? table?.[name] : undefined;
  if (found === undefined) return { state: "absent" };
  if (typeof found === "string") return stateOf(found);
  return { state: "found", value: stored(name, make(found)) };
}

function stateOf(
  state: "pending" | "unreadable",
): { readonly state: "pending" } | { readonly state: "unreadable"; readonly message: string } {
  return state === "pending" ? { state } : { state, message: "forbidden" };
}

function stored<O extends KubeObject>(name: string, object: O): Stored<O> {
  return { ...object, metadata: { name, namespace: podNamespace, uid: `uid of ${name}`, resourceVersion: "1" } };
}
