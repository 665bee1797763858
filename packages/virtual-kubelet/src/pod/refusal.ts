// Pods that this node or its provider does not take: admission, the hold until their owner's turn has come, and the end of it.
import { nodes, type Stored } from "../kube/resource.ts";
import type { Node, Pod } from "../kube/types.gen.ts";
import { type ActionContext, event, fields } from "./action-context.ts";
import { admit, wrongSystem } from "./admission.ts";
import { omissions, refusals } from "./capabilities.ts";
import { shutdownRejection } from "./node-shutdown.ts";
import { refusedByBudget } from "./pod-budget.ts";
import type { PodEntry } from "./pod-entry.ts";

export interface Verdict {
  readonly reason: string;
  readonly message: string;
}

/** Why this node or its provider cannot take the pod; undefined when they can. */
export async function admission(
  pod: Stored<Pod>,
  object: Stored<Node>,
  context: ActionContext,
  signal: AbortSignal,
): Promise<Verdict | undefined> {
  if (context.isShuttingDown()) return shutdownRejection;
  const foreign = wrongSystem(pod, object);
  if (foreign !== undefined) return foreign;
  const faults = refusals(pod, context.node.provider.capabilities ?? {});
  if (faults.length > 0) {
    const text = faults.map((fault) => `${fault.field}: ${fault.message}`).join("; ");
    return { reason: "PodFeatureUnsupported", message: text };
  }
  const { usage, client } = context;
  const state = { used: usage.total, pods: usage.pods, hostPorts: () => usage.hostPorts() };
  const verdict = admit(pod, { ...state, object });
  if (verdict === undefined) return refusedByBudget(pod, context);
  if (verdict.reason !== "NodeAffinity") return verdict;
  // The scheduler may have seen labels that our watch has still to bring.
  const fresh = await client.get(nodes, { name: object.metadata.name }, { signal });
  return admit(pod, { ...state, object: fresh }) ?? refusedByBudget(pod, context);
}

/** Tells what of the pod the provider leaves out, once it has taken it. */
export function tellOmissions(entry: PodEntry, context: ActionContext): void {
  if (entry.pod === undefined) return;
  for (const { field, message } of omissions(entry.pod, context.node.provider.capabilities ?? {}))
    event(entry, context, "Warning", "PodFeatureOmitted", `${field}: ${message}`);
}

/** Tells the user at once that the pod is refused; Failed it becomes when its owner's turn has come. */
export function hold(
  entry: PodEntry,
  { reason, message, byProvider }: Verdict & { readonly byProvider: boolean },
  context: ActionContext,
): { requeueAfterMs: number } {
  const now = context.clock.now();
  const controller = entry.pod?.metadata.ownerReferences?.find((reference) => reference.controller === true);
  const delay = controller === undefined ? 0 : context.pacer.delay(controller.uid, now);
  const final = delay === 0;
  entry.refusal = { reason, message: `Pod was rejected: ${message}`, failAt: now + delay, final, byProvider };
  context.tally.refused(context.node.name, reason);
  context.log.warn({ ...fields(entry), reason, failInMs: delay }, `pod refused: ${message}`);
  event(entry, context, "Warning", reason, message);
  context.onStatus(entry.owner.uid);
  return { requeueAfterMs: delay };
}

/** The refusal's time has come. What it was refused for may have passed: then it is admitted after all. */
export async function refuse(
  entry: PodEntry,
  context: ActionContext,
  signal: AbortSignal,
): Promise<{ readonly requeueAfterMs: number } | undefined> {
  const { pod, refusal } = entry;
  const object = context.node.object();
  if (pod === undefined || refusal === undefined) return undefined;
  const verdict =
    refusal.byProvider === true || object === undefined ? refusal : await admission(pod, object, context, signal);
  entry.refusal = verdict === undefined ? undefined : { ...refusal, final: true };
  if (verdict === undefined) return { requeueAfterMs: 0 };
  context.onStatus(entry.owner.uid);
  return undefined;
}
