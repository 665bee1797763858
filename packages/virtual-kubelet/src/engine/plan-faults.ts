// Finds runs that must not go on: failed probes, a failed postStart, another image in the spec. Pure.
import { effectivePolicy } from "../status/restart-policy.ts";
import type { ContainerView } from "./container-view.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { kill } from "./plan-kill.ts";
import { needsRestart, resizeOf } from "./plan-resize.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import { graceOf } from "./pod-grace.ts";
import type { KillReason } from "./pod-memory.ts";
import { probeFault } from "./probe-state.ts";
import { isGranted } from "./resize-grant.ts";

export function findKills(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  const granted = isGranted(views, draft.memory);
  for (const view of views) {
    if (view.state !== "running" || view.memory.kill !== undefined) continue;
    const fault = faultOf(view, facts, granted);
    if (fault === undefined) continue;
    const { why, message } = fault;
    const graceSeconds = fault.graceSeconds ?? graceOf(facts);
    kill(view, draft, { why, graceSeconds, deadline: facts.now + graceSeconds * 1000 }, message);
  }
}

interface Fault {
  readonly why: KillReason;
  readonly message: string;
  readonly graceSeconds?: number | undefined;
}

function faultOf(view: ContainerView, facts: PodFacts, granted: boolean): Fault | undefined {
  const { of, run, notes } = view;
  if (run === undefined || notes === undefined) return undefined;
  const { name, role, container } = of;
  if (run.state === "unknown") return { why: "unknown", message: `Container ${name} is in unknown state` };
  if (role === "ephemeral") return undefined;
  const restarts = role === "sidecar" || effectivePolicy(container, facts.memory) !== "Never";
  const text = (what: string): string => `Container ${name} ${what}${restarts ? ", will be restarted" : ""}`;
  if (facts.request !== undefined && role !== "init" && notes.image !== (container.image ?? ""))
    return { why: "changed", message: `Container ${name} definition changed, will be restarted` };
  const resize = resizeOf(view);
  if (resize !== undefined && granted && needsRestart(container, resize))
    return { why: "changed", message: `Container ${name} resize requires restart` };
  if (facts.found.postStartFailed.has(runKey(run))) return { why: "postStart", message: "FailedPostStartHook" };
  const results = facts.probes(run);
  const fault = results && probeFault(results, container);
  if (fault === undefined) return undefined;
  return { why: fault.type, message: text(`failed ${fault.type} probe`), graceSeconds: fault.graceSeconds };
}
