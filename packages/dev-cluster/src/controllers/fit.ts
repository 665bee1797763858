// Whether a pod fits a node, and how well: pure. Taints, node selectors and affinity, pod affinity and anti-affinity, requests.
import { at, equal, isList, isObject, type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { quantityValue } from "../quantity.ts";
import { matchesExpression, selects } from "../selectors.ts";
import type { Change } from "../store.ts";
import { claimsOf, isFinished, labelsOf, nameOf, namespaceOf, nodeNameOf } from "./objects.ts";

export interface NodeState {
  readonly node: JsonObject;
  /** Those bound to it that have not ended. */
  readonly pods: readonly JsonObject[];
}

const required = "requiredDuringSchedulingIgnoredDuringExecution";
/** In the spec of a pod: on which nodes it has to be. */
export const nodeTerms: readonly string[] = ["affinity", "nodeAffinity", required, "nodeSelectorTerms"];

/** Whether pods may fit a node otherwise than before; a heartbeat is no news. */
export function isOtherPlace(node: JsonObject, { type, previous }: Change): boolean {
  const places = [["spec"], ["metadata", "labels"], ["status", "allocatable"]];
  return type === "DELETED" || places.some((path) => !equal(at(node, ...path), at(previous, ...path)));
}

/** What the scheduler counts for a pod: the larger of its main containers with sidecars, and each init container. */
function requestOf(pod: Json, resource: string): number {
  if (resource === "pods") return 1;
  const amount = (of: JsonObject): number => quantityValue(`${of[resource] ?? 0}`);
  const asked = (container: Json): number => amount(object(container, "resources", "requests"));
  const isSidecar = (container: Json): boolean => text(container, "restartPolicy") === "Always";
  const inits = list(pod, "spec", "initContainers");
  const together = [...list(pod, "spec", "containers"), ...inits.filter(isSidecar)].map(asked);
  const alone = inits.filter((each) => !isSidecar(each)).map(asked);
  return Math.max(sum(together), ...alone) + amount(object(pod, "spec", "overhead"));
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, each) => all + each, 0);
}

/** Why no node will do for the volumes of a pod: there is none behind a claim. The words are the scheduler's. */
export function unboundClaim(pod: Json, claimNamed: (name: string) => JsonObject | undefined): string | undefined {
  const missing = claimsOf(pod).find((name) => claimNamed(name) === undefined);
  if (missing !== undefined) return `persistentvolumeclaim ${JSON.stringify(missing)} not found`;
  const isUnbound = claimsOf(pod).some((name) => text(claimNamed(name), "spec", "volumeName") === "");
  return isUnbound ? "pod has unbound immediate PersistentVolumeClaims" : undefined;
}

export function tolerates(pod: Json, taint: Json): boolean {
  return list(pod, "spec", "tolerations").some((each) => isAbout(each, taint));
}

/** Whether a toleration is about a taint. */
export function isAbout(toleration: Json, taint: Json): boolean {
  const [effect, key] = [text(toleration, "effect"), text(toleration, "key")];
  if (effect !== "" && effect !== text(taint, "effect")) return false;
  if (text(toleration, "operator") === "Exists") return key === "" || key === text(taint, "key");
  return key === text(taint, "key") && text(toleration, "value") === text(taint, "value");
}

/** Why the pod may not be on this node; undefined where it may. The words are the scheduler's. */
export function misfit(pod: JsonObject, state: NodeState, all: readonly NodeState[]): string | undefined {
  const { node } = state;
  const refusal = refusalBy(pod, node);
  if (refusal !== undefined) return refusal;
  const short = insufficient(pod, state);
  if (short !== undefined) return `Insufficient ${short}`;
  if (takenPort(pod, state)) return "node(s) didn't have free ports for the requested pod ports";
  if (!matchesPods(pod, node, all)) return "node(s) didn't match pod affinity rules";
  if (!keepsApart(pod, node, all)) return "node(s) didn't match pod anti-affinity rules";
  return undefined;
}

/** The same, whatever runs there. */
export function refusalBy(pod: Json, node: JsonObject): string | undefined {
  if (at(node, "spec", "unschedulable") === true && !tolerates(pod, unschedulableTaint))
    return "node(s) were unschedulable";
  const taint = list(node, "spec", "taints").find(
    (each) => ["NoSchedule", "NoExecute"].includes(text(each, "effect")) && !tolerates(pod, each),
  );
  if (taint !== undefined) return `node(s) had untolerated taint(s) {${text(taint, "key")}: ${text(taint, "value")}}`;
  return matchesNode(pod, node) ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

const unschedulableTaint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

function matchesNode(pod: Json, node: JsonObject): boolean {
  const labels = labelsOf(node);
  if (!Object.entries(object(pod, "spec", "nodeSelector")).every(([key, value]) => labels[key] === value)) return false;
  const terms = at(pod, "spec", ...nodeTerms);
  return !isList(terms) || terms.some((term) => matchesTerm(term, node));
}

function matchesTerm(term: Json, node: JsonObject): boolean {
  const known = { ...labelsOf(node), "metadata.name": nameOf(node) };
  const all = [...list(term, "matchExpressions"), ...list(term, "matchFields")];
  return all.length > 0 && all.every((each) => matchesExpression(each, known));
}

function insufficient(pod: Json, { node, pods }: NodeState): string | undefined {
  const containers = [...list(pod, "spec", "containers"), ...list(pod, "spec", "initContainers")];
  const asked = containers.flatMap((each) => Object.keys(object(each, "resources", "requests")));
  return [...new Set([...asked, ...Object.keys(object(pod, "spec", "overhead")), "pods"])].find((name) => {
    const wanted = requestOf(pod, name);
    const there = quantityValue(`${object(node, "status", "allocatable")[name] ?? 0}`);
    return wanted > 0 && wanted + sum(pods.map((each) => requestOf(each, name))) > there;
  });
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

/** Whether a term of a pod that is here, or would be, is about one there. */
function concerns(term: Json, owner: Json, here: JsonObject, candidate: JsonObject, there: JsonObject): boolean {
  const key = text(term, "topologyKey");
  const place = labelsOf(here)[key];
  return place !== undefined && labelsOf(there)[key] === place && termSelects(term, owner, candidate);
}

const rules = (pod: Json, kind: "podAffinity" | "podAntiAffinity"): readonly Json[] =>
  list(pod, "spec", "affinity", kind, required);

function matchesPods(pod: JsonObject, node: JsonObject, all: readonly NodeState[]): boolean {
  const isAnywhere = (has: (each: JsonObject, there: JsonObject) => boolean): boolean =>
    all.some(({ node: there, pods }) => pods.some((each) => has(each, there)));
  return rules(pod, "podAffinity").every(
    (term) =>
      isAnywhere((each, there) => concerns(term, pod, node, each, there)) ||
      // The first of a group that wants to be together.
      (concerns(term, pod, node, pod, node) && !isAnywhere((each) => termSelects(term, pod, each))),
  );
}

function keepsApart(pod: JsonObject, node: JsonObject, all: readonly NodeState[]): boolean {
  const own = rules(pod, "podAntiAffinity");
  const minds = (each: JsonObject, there: JsonObject): boolean =>
    own.some((term) => concerns(term, pod, node, each, there)) ||
    rules(each, "podAntiAffinity").some((term) => concerns(term, each, there, pod, node));
  return !all.some(({ node: there, pods }) => pods.some((each) => minds(each, there)));
}

/** Higher is better: what is preferred, then what is empty. */
export function score(pod: JsonObject, state: NodeState): number {
  const preferred = list(pod, "spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution")
    .filter((each) => matchesTerm(object(each, "preference"), state.node))
    .map((each) => number(each, "weight") ?? 0);
  const discouraging = list(state.node, "spec", "taints").filter(
    (each) => text(each, "effect") === "PreferNoSchedule" && !tolerates(pod, each),
  );
  const siblings = state.pods.filter(
    (each) => namespaceOf(each) === namespaceOf(pod) && text(labelsOf(each), "app") === text(labelsOf(pod), "app"),
  );
  return sum(preferred) * 100 - discouraging.length * 10_000 - siblings.length * 10 - state.pods.length;
}

export function statesOf(nodes: readonly JsonObject[], pods: readonly JsonObject[]): readonly NodeState[] {
  const byNode = Map.groupBy(
    pods.filter((each) => !isFinished(each)),
    nodeNameOf,
  );
  return nodes.map((node) => ({ node, pods: byNode.get(nameOf(node)) ?? [] }));
}
