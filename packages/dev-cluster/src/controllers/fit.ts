// Whether a pod fits a node, and how well: pure. Taints, node selectors and affinity, pod affinity and anti-affinity, requests.
import { at, isObject, type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { quantityValue } from "../quantity.ts";
import { matchesExpression, selects } from "../selectors.ts";
import { isFinished, labelsOf, nameOf, namespaceOf } from "./objects.ts";

export interface NodeState {
  readonly node: JsonObject;
  /** Those bound to it that have not ended. */
  readonly pods: readonly JsonObject[];
}

type Amounts = Map<string, number>;

/** What the scheduler counts for a pod: the larger of its main containers with sidecars, and each init container. */
function requestsOf(pod: Json): Amounts {
  const total: Amounts = new Map();
  const add = (to: Amounts, container: Json): void => {
    for (const [name, value] of Object.entries(object(container, "resources", "requests"))) {
      to.set(name, (to.get(name) ?? 0) + quantityValue(`${value}`));
    }
  };
  for (const each of list(pod, "spec", "containers")) add(total, each);
  const init = list(pod, "spec", "initContainers");
  for (const each of init) if (text(each, "restartPolicy") === "Always") add(total, each);
  for (const each of init) {
    if (text(each, "restartPolicy") === "Always") continue;
    const own: Amounts = new Map();
    add(own, each);
    for (const [name, value] of own) total.set(name, Math.max(total.get(name) ?? 0, value));
  }
  for (const [name, value] of Object.entries(object(pod, "spec", "overhead"))) {
    total.set(name, (total.get(name) ?? 0) + quantityValue(`${value}`));
  }
  total.set("pods", 1);
  return total;
}

/** Why no node will do for the volumes of a pod: there is none behind a claim. The words are the scheduler's. */
export function unboundClaim(pod: Json, claimNamed: (name: string) => JsonObject | undefined): string | undefined {
  const names = list(pod, "spec", "volumes").map((each) => text(each, "persistentVolumeClaim", "claimName"));
  const missing = names.find((name) => name !== "" && claimNamed(name) === undefined);
  if (missing !== undefined) return `persistentvolumeclaim ${JSON.stringify(missing)} not found`;
  const isUnbound = names.some((name) => name !== "" && text(claimNamed(name), "spec", "volumeName") === "");
  return isUnbound ? "pod has unbound immediate PersistentVolumeClaims" : undefined;
}

export function tolerates(pod: Json, taint: Json): boolean {
  return list(pod, "spec", "tolerations").some((each) => {
    const effect = text(each, "effect");
    if (effect !== "" && effect !== text(taint, "effect")) return false;
    const key = text(each, "key");
    if (text(each, "operator") === "Exists") return key === "" || key === text(taint, "key");
    return key === text(taint, "key") && text(each, "value") === text(taint, "value");
  });
}

/** Why the pod may not be on this node; undefined where it may. The words are the scheduler's. */
export function misfit(pod: JsonObject, state: NodeState, all: readonly NodeState[]): string | undefined {
  const { node } = state;
  if (at(node, "spec", "unschedulable") === true && !tolerates(pod, unschedulableTaint))
    return "node(s) were unschedulable";
  const taint = list(node, "spec", "taints").find(
    (each) => ["NoSchedule", "NoExecute"].includes(text(each, "effect")) && !tolerates(pod, each),
  );
  if (taint !== undefined) return `node(s) had untolerated taint(s) {${text(taint, "key")}: ${text(taint, "value")}}`;
  if (!matchesNode(pod, node)) return "node(s) didn't match Pod's node affinity/selector";
  const short = insufficient(pod, state);
  if (short !== undefined) return `Insufficient ${short}`;
  if (takenPort(pod, state)) return "node(s) didn't have free ports for the requested pod ports";
  if (!matchesPods(pod, node, all)) return "node(s) didn't match pod affinity rules";
  if (!keepsApart(pod, node, all)) return "node(s) didn't match pod anti-affinity rules";
  return undefined;
}

const unschedulableTaint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

function matchesNode(pod: Json, node: JsonObject): boolean {
  const labels = labelsOf(node);
  if (!Object.entries(object(pod, "spec", "nodeSelector")).every(([key, value]) => labels[key] === value)) return false;
  const required = at(pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  return required === undefined || list(required, "nodeSelectorTerms").some((term) => matchesTerm(term, node));
}

export function matchesTerm(term: Json, node: JsonObject): boolean {
  const expressions = list(term, "matchExpressions");
  const fields = list(term, "matchFields");
  if (expressions.length + fields.length === 0) return false;
  const named = { "metadata.name": nameOf(node) };
  return (
    expressions.every((each) => matchesExpression(each, labelsOf(node))) &&
    fields.every((each) => matchesExpression(each, named))
  );
}

function insufficient(pod: Json, { node, pods }: NodeState): string | undefined {
  const allocatable = object(node, "status", "allocatable");
  const used: Amounts = new Map();
  for (const each of pods) for (const [name, value] of requestsOf(each)) used.set(name, (used.get(name) ?? 0) + value);
  for (const [name, wanted] of requestsOf(pod)) {
    if (wanted > 0 && wanted + (used.get(name) ?? 0) > quantityValue(`${allocatable[name] ?? 0}`)) return name;
  }
  return undefined;
}

function hostPorts(pod: Json): readonly string[] {
  return list(pod, "spec", "containers")
    .flatMap((each) => list(each, "ports"))
    .filter((each) => (number(each, "hostPort") ?? 0) > 0)
    .map((each) => `${text(each, "protocol") || "TCP"}/${number(each, "hostPort")}`);
}

function takenPort(pod: Json, { pods }: NodeState): boolean {
  const wanted = hostPorts(pod);
  return wanted.length > 0 && pods.some((each) => hostPorts(each).some((port) => wanted.includes(port)));
}

function termSelects(term: Json, owner: Json, candidate: JsonObject): boolean {
  const named = list(term, "namespaces");
  const inside =
    named.length > 0 ? named.includes(namespaceOf(candidate)) : namespaceOf(candidate) === namespaceOf(owner);
  const anywhere = isObject(object(term)["namespaceSelector"]);
  return (inside || anywhere) && selects(object(term)["labelSelector"], labelsOf(candidate));
}

/** Pods on all nodes of the same topology as this one. */
function neighbours(term: Json, node: JsonObject, all: readonly NodeState[]): readonly JsonObject[] {
  const key = text(term, "topologyKey");
  const value = labelsOf(node)[key];
  if (value === undefined) return [];
  return all.filter((each) => labelsOf(each.node)[key] === value).flatMap(({ pods }) => pods);
}

const rules = (pod: Json, kind: "podAffinity" | "podAntiAffinity"): readonly Json[] =>
  list(pod, "spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution");

function matchesPods(pod: JsonObject, node: JsonObject, all: readonly NodeState[]): boolean {
  return rules(pod, "podAffinity").every((term) => {
    if (neighbours(term, node, all).some((each) => termSelects(term, pod, each))) return true;
    // The first of a group that wants to be together.
    const isAnywhere = all.some(({ pods }) => pods.some((each) => termSelects(term, pod, each)));
    return !isAnywhere && termSelects(term, pod, pod) && labelsOf(node)[text(term, "topologyKey")] !== undefined;
  });
}

function keepsApart(pod: JsonObject, node: JsonObject, all: readonly NodeState[]): boolean {
  const own = rules(pod, "podAntiAffinity").some((term) =>
    neighbours(term, node, all).some((each) => termSelects(term, pod, each)),
  );
  if (own) return false;
  return !all.some(({ node: other, pods }) =>
    pods.some((each) =>
      rules(each, "podAntiAffinity").some((term) => {
        const key = text(term, "topologyKey");
        const here = labelsOf(node)[key];
        return here !== undefined && labelsOf(other)[key] === here && termSelects(term, each, pod);
      }),
    ),
  );
}

/** Higher is better: what is preferred, then what is empty. */
export function score(pod: JsonObject, state: NodeState): number {
  const preferred = list(pod, "spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution");
  const weight = preferred
    .filter((each) => matchesTerm(object(each, "preference"), state.node))
    .reduce<number>((sum, each) => sum + (number(each, "weight") ?? 0), 0);
  const discouraging = list(state.node, "spec", "taints").filter(
    (each) => text(each, "effect") === "PreferNoSchedule" && !tolerates(pod, each),
  );
  const siblings = state.pods.filter(
    (each) => namespaceOf(each) === namespaceOf(pod) && text(labelsOf(each), "app") === text(labelsOf(pod), "app"),
  );
  return weight * 100 - discouraging.length * 10_000 - siblings.length * 10 - state.pods.length;
}

export function statesOf(nodes: readonly JsonObject[], pods: readonly JsonObject[]): readonly NodeState[] {
  const byNode = Map.groupBy(
    pods.filter((each) => !isFinished(each)),
    (each) => text(each, "spec", "nodeName"),
  );
  return nodes.map((node) => ({ node, pods: byNode.get(nameOf(node)) ?? [] }));
}
