// A change of resources from being asked for to being in force: whether this pod may have it, what it has meanwhile, and what is
// told of it. Granted for the whole pod at once, or not at all. Pure.
import { createHash } from "node:crypto";
import type { Container, Pod, ResourceRequirements } from "../kube/types.gen.ts";
import { priorityOf } from "../status/pod-priority.ts";
import { podRequests } from "../status/pod-resources.ts";
import { type ContainerView, viewOf } from "./container-view.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { canonical, resizeOf } from "./plan-resize.ts";
import type { PodFacts } from "./pod-facts.ts";
import type { PodMemory } from "./pod-memory.ts";
import type { PodClaim, ResizeVerdict } from "./resize-room.ts";
import { qosClassOf } from "./runtime-specs.ts";

/** Until one that must wait is looked at again: another pod may have gone, or shrunk. */
const againMs = 5000;

/** Decides, remembers and tells. */
export function grantResize(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  const { resizing } = draft.memory;
  const pod = facts.request?.pod;
  if (pod === undefined) return;
  if (!views.some((view) => heldResources(view) !== undefined)) {
    if (resizing?.granted === true && resizing.done !== true)
      draft.tell({ type: "Normal", reason: "ResizeCompleted", message: resizeText("completed", pod) });
    if (resizing !== undefined) draft.memory = { ...draft.memory, resizing: undefined };
    return;
  }
  const wanted = nameOf(views);
  if (isGranted(views, draft.memory)) {
    if (resizing === undefined || resizing.done === true || views.some((view) => resizeOf(view) !== undefined)) return;
    draft.tell({ type: "Normal", reason: "ResizeCompleted", message: resizeText("completed", pod) });
    draft.memory = { ...draft.memory, resizing: { ...resizing, done: true } };
    return;
  }
  const verdict = verdictOf(facts);
  const since = resizing?.granted === undefined ? (resizing?.since ?? facts.now) : facts.now;
  if (verdict.state === "fits") {
    draft.memory = { ...draft.memory, resizing: { wanted, since, granted: true } };
    draft.tell({ type: "Normal", reason: "ResizeStarted", message: resizeText("started", pod) });
    return;
  }
  draft.memory = { ...draft.memory, resizing: { wanted, since } };
  const [reason, word] =
    verdict.state === "deferred" ? ["ResizeDeferred", "Deferred"] : ["ResizeInfeasible", "Infeasible"];
  const message = resizeText(word, pod, verdict.message);
  draft.tell({ type: "Warning", reason, message, once: `${wanted}/${pod.metadata.generation}` });
  draft.lookAt(facts.now + againMs);
}

/** Resources that a container has, or is to be made with again, while those that the spec asks for are not in force; undefined: they are. */
export function heldResources({ of, run, notes, memory, current }: ContainerView): ResourceRequirements | undefined {
  if (run === undefined || notes === undefined || !current || (of.role !== "main" && of.role !== "sidecar"))
    return undefined;
  const inForce = memory.resources ?? notes.container.resources ?? {};
  return canonical(inForce) === canonical(of.container.resources ?? {}) ? undefined : inForce;
}

export function isGranted(views: readonly ContainerView[], { resizing }: PodMemory): boolean {
  return resizing?.granted === true && resizing.wanted === nameOf(views);
}

export function verdictOf(facts: PodFacts): ResizeVerdict {
  if (!facts.canResize) return { state: "infeasible", message: "In-place resize is not supported by this node" };
  return facts.room?.() ?? { state: "fits" };
}

/** What the pod counts for on its node; undefined while nobody has said what it is to be, and once it is over. */
export function claimOf(facts: PodFacts): PodClaim | undefined {
  const pod = facts.request?.pod;
  if (pod === undefined || facts.memory.ending?.stoppedAt !== undefined) return undefined;
  const views = facts.containers.map((of) => viewOf(of, facts));
  const held = new Map(views.flatMap((view) => [[view.of.name, heldResources(view)] as const]));
  const waits = [...held.values()].some((resources) => resources !== undefined) && !isGranted(views, facts.memory);
  const before = (container: Container): Container => ({
    ...container,
    resources: held.get(container.name) ?? container.resources ?? {},
  });
  const { spec } = pod;
  return {
    uid: facts.owner.uid,
    granted:
      waits && spec !== undefined
        ? podRequests({
            spec: {
              ...spec,
              containers: spec.containers.map(before),
              ...(spec.initContainers !== undefined && { initContainers: spec.initContainers.map(before) }),
            },
          })
        : podRequests(pod),
    ...(waits && { wanted: podRequests(pod) }),
    ...{ priority: priorityOf(pod), qosClass: qosClassOf(pod), since: facts.memory.resizing?.since ?? facts.now },
  };
}

/** "Pod resize started: {"containers":[{"name":"c","resources":{...}}],"generation":2}". */
export function resizeText(what: string, { spec, metadata }: Pod, error?: string): string {
  const list = (containers: readonly Container[] | undefined): readonly object[] =>
    (containers ?? []).map(({ name, resources = {} }) => ({ name, resources }));
  const init = list(spec?.initContainers);
  const summary = {
    ...(init.length > 0 && { initContainers: init }),
    containers: list(spec?.containers),
    generation: metadata?.generation ?? 0,
    ...(error !== undefined && { error }),
  };
  return `Pod resize ${what}: ${JSON.stringify(summary)}`;
}

/** Names what is asked for, of all containers together. */
function nameOf(views: readonly ContainerView[]): string {
  const all = views.map(({ of }) => [of.name, canonical(of.container.resources ?? {})]);
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 16);
}
