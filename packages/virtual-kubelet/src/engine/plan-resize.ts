// Resources changed under a running container: changed in place, by a restart where its policy wants one, or not at all. Pure.
import type { Container, ResourceRequirements } from "../kube/types.gen.ts";
import type { ContainerView } from "./container-view.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import { resizeKey } from "./task.ts";

/** What of a running container's resources is asked for and not in force. */
export interface Resize {
  readonly wanted: ResourceRequirements;
  readonly inForce: ResourceRequirements;
}

export function resizeOf({ of, run, notes, state, memory, current }: ContainerView): Resize | undefined {
  // One that was stopped for it waits for it.
  const restarts = state === "ended" && memory.kill?.why === "changed";
  if (run === undefined || notes === undefined || !current) return undefined;
  if (state !== "running" && state !== "ending" && !restarts) return undefined;
  if (of.role !== "main" && of.role !== "sidecar") return undefined;
  const inForce = memory.resources ?? notes.container.resources ?? {};
  const wanted = of.container.resources ?? {};
  return sameResources(inForce, wanted) ? undefined : { wanted, inForce };
}

/** Does its policy want a restart for one of the resources that change? */
export function needsRestart(container: Container, { wanted, inForce }: Resize): boolean {
  return (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === "RestartContainer" &&
      (wanted.limits?.[resourceName] !== inForce.limits?.[resourceName] ||
        wanted.requests?.[resourceName] !== inForce.requests?.[resourceName]),
  );
}

/** Names a change that was refused, until something else is asked for. */
export function resizeId(run: { readonly name: string; readonly attempt: number }, resize: Resize): string {
  return `${runKey(run)} ${canonical(resize.wanted)}`;
}

/** Once the pod was granted what it asks for. */
export function planResize(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  for (const view of views) {
    const resize = resizeOf(view);
    const { of, run, memory } = view;
    if (resize === undefined || run === undefined || view.state !== "running" || memory.kill !== undefined) continue;
    if (needsRestart(of.container, resize) || facts.found.unresizable.has(resizeId(run, resize))) continue;
    draft.want({ type: "resize", key: resizeKey(of.name), of, run, resize });
  }
}

function sameResources(a: ResourceRequirements, b: ResourceRequirements): boolean {
  return canonical(a) === canonical(b);
}

/** Claims cannot change. */
export function canonical({ limits = {}, requests = {} }: ResourceRequirements): string {
  return JSON.stringify([limits, requests].map((one) => Object.entries(one).sort(([x], [y]) => (x < y ? -1 : 1))));
}
