// The node's last word on a pod that was bound to it: what a kubelet checks before it runs one, with the kubelet's own
// reasons and messages (controllers and people look for them). Pure.
import type { Stored } from "../kube/resource.ts";
import type { Node, Pod, PodSpec } from "../kube/types.gen.ts";
import { podRequests, type Quantities, quantities } from "../status/pod-resources.ts";
import { collides, type HostPort, hostPortsOf } from "./host-ports.ts";
import { matchesNode, tolerates } from "./node-match.ts";

export interface Rejection {
  /** `reason` of the pod's status and of the event. */
  readonly reason: string;
  readonly message: string;
}

export interface AdmissionNode {
  /** As last seen in the API; before a rejection for NodeAffinity it should be a fresh one. */
  readonly object: Stored<Node>;
  /** What the pods admitted so far request together, this one not among them. */
  readonly used: Quantities;
  /** How many they are. */
  readonly pods: number;
  /** Ports of the host that they have. */
  hostPorts(): Iterable<HostPort>;
}

/** Why the node cannot take the pod; undefined when it can. NoSchedule taints and cordons are the scheduler's business. */
export function admit(pod: Stored<Pod>, node: AdmissionNode): Rejection | undefined {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  return (
    wrongSystem(pod, node.object) ??
    wrongGroupsPolicy(spec, node.object) ??
    lackingResource(pod, node) ??
    wrongNode(spec, node.object) ??
    takenPort(pod, node) ??
    untolerated(spec, node.object)
  );
}

const osLabel = "kubernetes.io/os";

/** Of another operating system than the node: no provider need be asked about it. */
export function wrongSystem(pod: Pod, node: Node): Rejection | undefined {
  const system = node.status?.nodeInfo?.operatingSystem || (node.metadata?.labels?.[osLabel] ?? "linux");
  const wanted = pod.metadata?.labels?.[osLabel];
  if (wanted !== undefined && wanted !== system) {
    return {
      reason: "PodOSSelectorNodeLabelDoesNotMatch",
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    };
  }
  if (pod.spec?.os !== undefined && pod.spec.os.name !== system) {
    return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  return undefined;
}

function wrongGroupsPolicy(spec: PodSpec, node: Node): Rejection | undefined {
  if (spec.securityContext?.supplementalGroupsPolicy !== "Strict") return undefined;
  if (node.status?.features?.supplementalGroupsPolicy === true) return undefined;
  return {
    reason: "SupplementalGroupsPolicyNotSupported",
    message: "SupplementalGroupsPolicy=Strict is not supported in this node",
  };
}

function lackingResource(pod: Pod, { object, used, pods }: AdmissionNode): Rejection | undefined {
  // A node whose status was never written says nothing about what it has.
  if (object.status?.allocatable === undefined) return undefined;
  const allocatable = quantities(object.status.allocatable);
  const places = allocatable.get("pods") ?? 0n;
  if (BigInt(pods) + 1n > places) return outOf("pods", 1n, BigInt(pods), places);
  for (const [name, requested] of inOrder(podRequests(pod))) {
    const capacity = allocatable.get(name);
    // An extended resource that the node does not know belongs to the cluster.
    if (requested <= 0n || (capacity === undefined && isExtended(name))) continue;
    const taken = used.get(name) ?? 0n;
    if (requested > (capacity ?? 0n) - taken) return outOf(name, requested, taken, capacity ?? 0n);
  }
  return undefined;
}

function outOf(name: string, requested: bigint, used: bigint, capacity: bigint): Rejection {
  return {
    reason: `OutOf${name}`,
    message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

/** cpu, memory and ephemeral-storage are looked at first, as only the first lack is told. */
function inOrder(requests: Quantities): readonly (readonly [string, bigint])[] {
  const first = ["ephemeral-storage", "memory", "cpu"];
  return [...requests].sort(([a], [b]) => first.indexOf(b) - first.indexOf(a) || (a < b ? -1 : 1));
}

/** Of a domain other than kubernetes.io, e.g. example.com/gpu. */
function isExtended(name: string): boolean {
  return name.includes("/") && !name.includes("kubernetes.io/") && !name.startsWith("requests.");
}

function wrongNode(spec: PodSpec, node: Stored<Node>): Rejection | undefined {
  if (!matchesNode(spec, node)) return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  if (spec.nodeName !== undefined && spec.nodeName !== "" && spec.nodeName !== node.metadata.name) {
    return predicate("NodeName", "node(s) didn't match the requested node name");
  }
  return undefined;
}

function takenPort(pod: Pod, node: AdmissionNode): Rejection | undefined {
  const wanted = hostPortsOf(pod);
  if (wanted.length === 0) return undefined;
  for (const taken of node.hostPorts())
    if (wanted.some((port) => collides(port, taken)))
      return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
  return undefined;
}

/** NoExecute taints only; those of an unready or unreachable node too, which the API server makes every pod tolerate for a while. */
function untolerated(spec: PodSpec, node: Node): Rejection | undefined {
  const taint = node.spec?.taints?.find((one) => one.effect === "NoExecute" && !tolerates(spec.tolerations, one));
  if (taint === undefined) return undefined;
  return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate");
}

function predicate(name: string, description: string): Rejection {
  return { reason: name, message: `Predicate ${name} failed: ${description}` };
}
