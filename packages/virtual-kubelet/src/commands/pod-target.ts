// Which pod and container a command means: a pod's name, or a workload's, of which it takes one pod.
import { VirtualKubeletError } from "../errors.ts";
import { pods, resourcePath, type Stored } from "../kube/resource.ts";
import { isObject, isStored } from "../kube/stored.ts";
import type { LabelSelector, Pod } from "../kube/types.gen.ts";
import type { Cluster } from "./cluster.ts";
import { WrongUse } from "./invocation.ts";
import { findResource } from "./resources.ts";

export interface Target {
  readonly pod: Stored<Pod>;
  readonly container: string;
}

export interface TargetOptions {
  /** `web-1`, `pod/web-1`, `deployment/web`. */
  readonly word: string;
  /** Of -c; default: the one that the pod's annotation names, else its first. */
  readonly container: string | undefined;
  /** Told what was chosen where there was a choice. */
  readonly note: (text: string) => void;
}

export async function findTarget(cluster: Cluster, { word, container, note }: TargetOptions): Promise<Target> {
  const pod = await findPod(cluster, word, note);
  const { spec, metadata } = pod;
  const names = (spec?.containers ?? []).map(({ name }) => name);
  const all = [...names, ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])].map((each) =>
    typeof each === "string" ? each : each.name,
  );
  if (container !== undefined) {
    if (!all.includes(container))
      throw new VirtualKubeletError(
        "Invalid",
        `container ${container} is not in pod ${metadata.name}; it has ${all.join(", ")}`,
      );
    return { pod, container };
  }
  const annotated = metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  const chosen = annotated !== undefined && all.includes(annotated) ? annotated : names[0];
  if (chosen === undefined) throw new VirtualKubeletError("Invalid", `pod ${metadata.name} has no containers`);
  if (all.length > 1 && chosen !== annotated) note(`Defaulted container "${chosen}" out of: ${all.join(", ")}`);
  return { pod, container: chosen };
}

async function findPod(cluster: Cluster, word: string, note: (text: string) => void): Promise<Stored<Pod>> {
  const [kind = "", name = "", ...more] = word.includes("/") ? word.split("/") : ["pods", word];
  if (kind === "" || name === "" || more.length > 0) throw new WrongUse(`"${word}" must be POD or TYPE/NAME`);
  const of = await findResource(cluster, kind);
  const { namespace } = cluster;
  const object = await cluster.json(resourcePath(of, { namespace, name }));
  if (of.plural === "pods" && isStored(object, pods)) return object;
  const selector = selectorOf(object);
  if (selector === undefined) throw new WrongUse(`${word}: a ${of.kind} has no pods; name a pod, or a workload`);
  const query = new URLSearchParams({ labelSelector: selector });
  const list = await cluster.json(`${resourcePath(pods, { namespace })}?${query.toString()}`);
  const found: Stored<Pod>[] = [];
  for (const item of isObject(list) && Array.isArray(list["items"]) ? list["items"] : [])
    if (isStored(item, pods)) found.push(item);
  const [first] = found.toSorted((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
  if (first === undefined) throw new VirtualKubeletError("NotFound", `${word} has no pods in ${namespace}`);
  if (found.length > 1) note(`Found ${found.length} pods, using pod/${first.metadata.name}`);
  return first;
}

/** Those that run first. */
function rank({ status, metadata }: Pod): number {
  if (metadata?.deletionTimestamp !== undefined) return 3;
  const ready = status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
  return status?.phase === "Running" ? (ready ? 0 : 1) : 2;
}

/** As the API takes it; undefined where the object chooses no pods. */
export function selectorOf(object: unknown): string | undefined {
  const spec = isObject(object) && isObject(object["spec"]) ? object["spec"] : {};
  const { selector } = spec;
  if (!isObject(selector)) return undefined;
  const { matchLabels, matchExpressions }: LabelSelector = selector;
  // Services and replication controllers have the labels themselves.
  const labels = matchLabels ?? (matchExpressions === undefined ? selector : {});
  const parts = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  for (const { key, operator, values = [] } of matchExpressions ?? []) {
    if (operator === "In") parts.push(`${key} in (${values.join(",")})`);
    else if (operator === "NotIn") parts.push(`${key} notin (${values.join(",")})`);
    else parts.push(operator === "Exists" ? key : `!${key}`);
  }
  return parts.length === 0 ? undefined : parts.join(",");
}
