// Requests and limits of containers as values of variables and content of files. Pure.
import { errorText } from "../errors.ts";
import { type Nanos, parseQuantity } from "../kube/quantity.ts";
import type { Node, Pod, ResourceFieldSelector, ResourceRequirements } from "../kube/types.gen.ts";

/** What a container without a limit of its own may use: the pod's limit, then all that the node gives away. */
const limitedByNode: readonly string[] = ["cpu", "memory", "ephemeral-storage"];

/**
 * The amount in units of the divisor, rounded up. A limit that is not set is the pod's or the node's, a request that is not set
 * is 0. Undefined: no such resource, or no such container. Throws Invalid for what is no quantity.
 */
export function resourceField(
  pod: Pod,
  ownName: string | undefined,
  { resource, containerName, divisor }: ResourceFieldSelector,
  node: Node | undefined,
): string | undefined {
  const [, kind, name] = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource) ?? [];
  const wanted = containerName || ownName;
  const container = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
  ].find((each) => each.name === wanted);
  if (name === undefined || container === undefined) return undefined;
  const amount =
    kind === "limits" ? limitOf(name, container.resources, pod, node) : requestOf(name, container.resources);
  const unit = parseQuantity(divisor ?? "1");
  return String(dividedUp(amount, unit > 0n ? unit : parseQuantity("1")));
}

function limitOf(name: string, resources: ResourceRequirements | undefined, pod: Pod, node: Node | undefined): Nanos {
  const own = parseQuantity(resources?.limits?.[name] ?? "0");
  if (own > 0n || !limitedByNode.includes(name)) return own;
  const shared = parseQuantity(pod.spec?.resources?.limits?.[name] ?? "0");
  return shared > 0n ? shared : parseQuantity(node?.status?.allocatable?.[name] ?? "0");
}

function requestOf(name: string, resources: ResourceRequirements | undefined): Nanos {
  return parseQuantity(resources?.requests?.[name] ?? "0");
}

function dividedUp(amount: Nanos, unit: Nanos): bigint {
  return (amount + unit - 1n) / unit;
}

/** The text of a resource field, or what is wrong with it. */
export function resourceValue(
  pod: Pod,
  ownName: string | undefined,
  ref: ResourceFieldSelector,
  node: Node | undefined,
): { readonly text: string } | { readonly fault: string } {
  try {
    const text = resourceField(pod, ownName, ref, node);
    return text === undefined ? { fault: `no such resource of a container: ${ref.resource}` } : { text };
  } catch (error) {
    return { fault: errorText(error) };
  }
}
