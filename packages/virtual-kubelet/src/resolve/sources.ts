// What resolving a pod reads, as it is known at one moment; and what it finds. Types only.
import type { Stored } from "../kube/resource.ts";
import type { ConfigMap, Node, RuntimeClass, Secret, Service } from "../kube/types.gen.ts";
import type { ClaimedVolume, ReferenceFault } from "../resolved-pod.ts";

export type View<T> =
  | { readonly state: "found"; readonly value: T }
  | { readonly state: "absent" }
  /** Being read: soon known. */
  | { readonly state: "pending" }
  /** Could not be read for a while; tried on. */
  | { readonly state: "unreadable"; readonly message: string };

/** A token for a pod's ServiceAccount. */
export interface TokenSource {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  /** Undefined: the API server's own. */
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

/** certificates.k8s.io ClusterTrustBundle, as far as it is read. */
export interface ClusterTrustBundle {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly signerName?: string; readonly trustBundle?: string };
}

/** A key pair and the certificate chain for it, issued for a pod. */
export interface PodCertificateSource {
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly signerName: string;
  readonly keyType: string;
  readonly maxExpirationSeconds: number | undefined;
  readonly userAnnotations: Readonly<Record<string, string>> | undefined;
}

/** A claim that a pod names. */
export interface ClaimSource {
  readonly podUid: string;
  readonly namespace: string;
  readonly name: string;
}

/** PEM. */
export interface IssuedCertificate {
  readonly key: string;
  readonly chain: string;
}

export interface Sources {
  configMap(namespace: string, name: string): View<Stored<ConfigMap>>;
  secret(namespace: string, name: string): View<Stored<Secret>>;
  /** All Services of the cluster. */
  services(): View<Iterable<Stored<Service>>>;
  token(source: TokenSource): View<string>;
  trustBundles(): View<Iterable<ClusterTrustBundle>>;
  certificate(source: PodCertificateSource): View<IssuedCertificate>;
  /** Absent: nobody wants to know what claims are bound to. */
  readonly claim?: ((source: ClaimSource) => View<ClaimedVolume>) | undefined;
  runtimeClass(name: string): View<Stored<RuntimeClass>>;
  node(name: string): View<Stored<Node>>;
}

/** Filled while a pod is resolved. */
export interface Findings {
  /** What the pod cannot do without. */
  readonly faults: ReferenceFault[];
  /** What it can. */
  readonly notes: ReferenceFault[];
  /** Fields that ask for what cannot be done here. */
  readonly refusals: { readonly field: string; readonly message: string }[];
  pending: boolean;
}

export function newFindings(): Findings {
  return { faults: [], notes: [], refusals: [], pending: false };
}
