// What the program asks of the API server, and what makes it ask: one table, for doctor, the chart and deploy/rbac.yaml.
import { nodeOfUser } from "../identity.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import { nodeWatchMode } from "../node/node-watch.ts";
import type { Config } from "../program/config.ts";

/** What of the configuration makes the program ask for something. */
export type AccessFeature =
  /** Each node has a watch of its own. */
  | "perNodeWatch"
  /** One watch sees all nodes of the cluster. */
  | "sharedWatch"
  /** Nodes are deleted at the end: `node.onShutdown: delete`. */
  | "deleteNodes"
  /** Statuses of pods are written by PUT: `podStatusForm: put`. */
  | "putStatuses"
  /** A provider wants to be told what pods refer to. */
  | "resolve"
  /** `kubelet.serve`. */
  | "kubeletApi"
  /** Who calls is asked of the API server, for the kubelet API or the web view. */
  | "authentication"
  /** What callers may is asked of the API server, for the kubelet API or the web view. */
  | "authorization"
  /** Client certificates are verified against the cluster's CA. */
  | "clusterClientCA"
  /** Certificates are asked of the cluster's signers. */
  | "certificates"
  /** The cluster is known by the UID of kube-system. */
  | "clusterIdentity";

export interface NeededAccess {
  readonly verbs: readonly string[];
  readonly group: string;
  /** With its sub-resource, e.g. `pods/status`. */
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly purpose: string;
  /** Without it the node still does its work. */
  readonly optional?: boolean | undefined;
}

export interface AccessRule extends NeededAccess {
  /** Asked for with all of these; default: always. */
  readonly when?: readonly AccessFeature[] | undefined;
  /** Only of objects that are named like the nodes. */
  readonly ofNodes?: true | undefined;
  /** Node credentials cannot ask about it beforehand: the Node authoriser decides by what is bound, and by what the cluster has. */
  readonly byBinding?: true | undefined;
}

const core = { group: "" };
const coordination = { group: "coordination.k8s.io", resource: "leases", namespace: leaseNamespace };
const certificates = { group: "certificates.k8s.io" };
const lease = "lease of the node";
const keeps = "keeps the node as configured";

/** What somebody needs to get a certificate from a signer of the cluster. */
export const signing: NeededAccess = {
  ...{ ...certificates, verbs: ["create", "get", "list", "watch"], resource: "certificatesigningrequests" },
  purpose: "certificates from the cluster's signer",
};

/** A verb `create` stands alone: who may create something cannot be told by a name that is not there yet. */
export const accessRules: readonly AccessRule[] = [
  { ...core, verbs: ["create"], resource: "nodes", purpose: "registers the node" },
  { ...core, verbs: ["get", "patch"], resource: "nodes", ofNodes: true, purpose: keeps },
  { ...core, verbs: ["list", "watch"], resource: "nodes", ofNodes: true, when: ["perNodeWatch"], purpose: keeps },
  {
    ...core,
    verbs: ["list", "watch"],
    resource: "nodes",
    when: ["sharedWatch"],
    purpose: "keeps many nodes as configured",
  },
  {
    ...core,
    verbs: ["delete"],
    resource: "nodes",
    ofNodes: true,
    when: ["deleteNodes"],
    purpose: "deletes the node at the end",
  },
  { ...core, verbs: ["patch"], resource: "nodes/status", ofNodes: true, purpose: "heartbeats of the node" },
  { ...coordination, verbs: ["create"], purpose: lease },
  { ...coordination, verbs: ["get", "update"], ofNodes: true, purpose: lease },
  { ...coordination, verbs: ["delete"], ofNodes: true, when: ["deleteNodes"], purpose: "deletes the lease at the end" },
  { ...core, verbs: ["list", "watch", "delete"], resource: "pods", byBinding: true, purpose: "pods bound to the node" },
  { ...core, verbs: ["patch"], resource: "pods/status", byBinding: true, purpose: "statuses of pods" },
  {
    ...{ ...core, verbs: ["update"], resource: "pods/status", byBinding: true },
    ...{ when: ["putStatuses"], purpose: "statuses of pods" },
  },
  { ...core, verbs: ["create", "patch"], resource: "events", optional: true, purpose: "tells users what happens" },
  { ...core, verbs: ["list", "watch"], resource: "services", when: ["resolve"], purpose: "variables and DNS of pods" },
  {
    ...{ group: "node.k8s.io", verbs: ["list", "watch"], resource: "runtimeclasses" },
    ...{ when: ["resolve"], purpose: "runtime classes of pods" },
  },
  {
    ...{ ...core, verbs: ["list", "watch"], resource: "configmaps", byBinding: true },
    ...{ when: ["resolve"], purpose: "what pods refer to, object by object" },
  },
  {
    ...{ ...core, verbs: ["list", "watch"], resource: "secrets", byBinding: true },
    ...{ when: ["resolve"], purpose: "what pods refer to, object by object" },
  },
  {
    ...{ ...core, verbs: ["create"], resource: "serviceaccounts/token", byBinding: true },
    ...{ when: ["resolve"], purpose: "tokens of pods" },
  },
  {
    ...{ ...core, verbs: ["get"], resource: "persistentvolumeclaims", byBinding: true, optional: true },
    ...{ when: ["resolve"], purpose: "claims of pods, where a provider takes them" },
  },
  {
    ...{ ...core, verbs: ["get"], resource: "persistentvolumes", byBinding: true, optional: true },
    ...{ when: ["resolve"], purpose: "what claims of pods are bound to" },
  },
  {
    ...{ ...certificates, verbs: ["list", "watch"], resource: "clustertrustbundles", byBinding: true, optional: true },
    ...{ when: ["resolve"], purpose: "trust bundles in projected volumes" },
  },
  {
    ...{ ...core, verbs: ["get"], resource: "serviceaccounts", byBinding: true, optional: true },
    ...{ when: ["resolve"], purpose: "certificates of pods in projected volumes" },
  },
  {
    ...{
      ...certificates,
      verbs: ["create", "list"],
      resource: "podcertificaterequests",
      byBinding: true,
      optional: true,
    },
    ...{ when: ["resolve"], purpose: "certificates of pods in projected volumes" },
  },
  {
    ...{ group: "authentication.k8s.io", verbs: ["create"], resource: "tokenreviews" },
    ...{ when: ["authentication"], purpose: "who calls the kubelet API, or looks at the web view" },
  },
  {
    ...{ group: "authorization.k8s.io", verbs: ["create"], resource: "subjectaccessreviews" },
    ...{ when: ["authorization"], purpose: "what callers of the kubelet API, and viewers of the web view, may" },
  },
  {
    ...{ ...core, verbs: ["get", "list", "watch"], resource: "configmaps", namespace: "kube-system" },
    ...{ name: "extension-apiserver-authentication", when: ["kubeletApi", "clusterClientCA"] },
    purpose: "CA of client certificates (or --client-ca-file)",
  },
  { ...signing, when: ["certificates"] },
  {
    ...{ ...core, verbs: ["get"], resource: "namespaces", name: "kube-system" },
    ...{ when: ["clusterIdentity"], purpose: "identity of the cluster" },
  },
];

/** Pure. `resolves`: a provider wants pods resolved. */
export function accessFeatures(config: Config, user: string, resolves: boolean): ReadonlySet<AccessFeature> {
  const { kubelet, node, watch, nodes, webView } = config;
  const asksViewers = webView.enabled && !webView.insecureWithoutAuthentication;
  const credentials = nodeOfUser(user) === undefined ? "service-account" : "node-user";
  const asked = kubelet.serverTLSBootstrap || (kubelet.bootstrapKubeconfig !== undefined && kubelet.rotateCertificates);
  const perNode = nodeWatchMode(credentials, nodes.length, watch.perNodeLimit) === "per-node";
  const are: Readonly<Record<AccessFeature, boolean>> = {
    perNodeWatch: perNode,
    sharedWatch: !perNode,
    deleteNodes: node.onShutdown === "delete",
    putStatuses: config.podStatusForm === "put",
    resolve: resolves,
    kubeletApi: kubelet.serve,
    authentication: kubelet.serve || asksViewers,
    // Without a kubelet API the view has access rules of its own, which skip nothing.
    authorization: kubelet.serve ? !kubelet.insecureSkipAuthorization : asksViewers,
    clusterClientCA: kubelet.clientCAFile === undefined,
    certificates: asked,
    // Nodes know it by another object.
    clusterIdentity: config.clusterId === undefined && credentials === "service-account",
  };
  return new Set(accessFeatureNames.filter((feature) => are[feature]));
}

export const accessFeatureNames: readonly AccessFeature[] = [
  ...(["perNodeWatch", "sharedWatch", "deleteNodes", "putStatuses", "resolve", "kubeletApi"] as const),
  ...(["authentication", "authorization", "clusterClientCA", "certificates", "clusterIdentity"] as const),
];

/**
 * Pure. What these credentials can be asked about beforehand, of the first node where objects are named like nodes.
 * `resolves`: a provider wants pods resolved.
 */
export function neededAccess(config: Config, user: string, resolves: boolean): readonly NeededAccess[] {
  const features = accessFeatures(config, user, resolves);
  const isNode = nodeOfUser(user) !== undefined;
  const name = config.nodes[0]?.name;
  return accessRules
    .filter(({ when = [], byBinding }) => when.every((each) => features.has(each)) && !(isNode && byBinding === true))
    .map(({ when: _when, ofNodes, byBinding: _byBinding, ...access }) =>
      ofNodes === true ? { ...access, name } : access,
    );
}
