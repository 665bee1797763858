// Has the backend end a pod: wholly, or keeping what is left of it as long as its object is in the API.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { pods } from "../kube/resource.ts";
import type { CallContext } from "../provider.ts";
import { type ActionContext, event, fields } from "./action-context.ts";
import type { PodAction } from "./plan.ts";
import type { Deletion, PodEntry } from "./pod-entry.ts";
import { call } from "./provider-call.ts";
import { acknowledgeAfterMs } from "./situation.ts";

const deleted = ["ProviderDeleteSuccess", "Delete pod in provider successfully"] as const;

/** Removes it from the backend, with all that is left of it. */
export async function remove(
  entry: PodEntry,
  { gracePeriodSeconds, why }: Extract<PodAction, { readonly type: "delete" }>,
  context: ActionContext,
  signal: AbortSignal,
): Promise<void> {
  if (why === "orphan" && (await isWanted(entry, context, signal))) return;
  const { provider } = context.node;
  const told = await tellEnd(entry, { gracePeriodSeconds, at: context.clock.now() }, context, signal, (callContext) =>
    provider.deletePod(entry.owner, { gracePeriodSeconds }, callContext),
  );
  if (!told) return;
  if (why === "orphan") {
    context.log.warn(
      { ...fields(entry), gracePeriodSeconds },
      "orphan removed from the backend: its pod is gone from the API",
    );
    context.tally.orphanRemoved(context.node.name);
  } else event(entry, context, "Normal", ...deleted);
}

/** Ends it for good and keeps what is left of it; a backend that cannot do that loses it with its logs. */
export async function stop(
  entry: PodEntry,
  { gracePeriodSeconds, failure }: Extract<PodAction, { readonly type: "stop" }>,
  context: ActionContext,
  signal: AbortSignal,
): Promise<void> {
  const { provider } = context.node;
  const keeps = provider.stopPod === undefined ? {} : ({ keeps: true } as const);
  const deletion = { gracePeriodSeconds, at: context.clock.now(), ...keeps };
  const told = await tellEnd(entry, deletion, context, signal, async (callContext) =>
    provider.stopPod === undefined
      ? provider.deletePod(entry.owner, { gracePeriodSeconds }, callContext)
      : provider.stopPod(entry.owner, { gracePeriodSeconds, failure }, callContext),
  );
  if (!told) return;
  if (provider.stopPod === undefined) event(entry, context, "Normal", ...deleted);
  else event(entry, context, "Normal", "ProviderStopSuccess", "Stop pod in provider successfully");
}

/** False: the backend has not taken it, or has no such pod. */
async function tellEnd(
  entry: PodEntry,
  deletion: Deletion,
  context: ActionContext,
  signal: AbortSignal,
  perform: (context: CallContext) => Promise<void>,
): Promise<boolean> {
  const before = entry.deletion;
  const { at } = deletion;
  // Set before the call: the backend may push "gone" before it has answered.
  entry.deletion = deletion;
  context.onStatus(entry.owner.uid, acknowledgeAfterMs);
  try {
    await call(entry, context, signal, perform);
    return true;
  } catch (thrown) {
    const error = VirtualKubeletError.from(thrown);
    if (error.kind === "NotFound") {
      // Perhaps not shown yet: then it has not been told, and is to be as soon as it is seen.
      if (entry.create !== "never" && at < entry.createdAt + context.consistencyDelayMs) entry.deletion = before;
      context.records.absent(entry.owner.uid, at, context.consistencyDelayMs);
      return false;
    }
    entry.deletion = before;
    if (error.kind === "Aborted" && !signal.aborted) return false;
    event(entry, context, "Warning", "ProviderDeleteFailed", errorText(error));
    throw error;
  }
}

/** Asks the API server itself, not the cache, before anything is killed on the ground that nobody wants it. */
async function isWanted(entry: PodEntry, context: ActionContext, signal: AbortSignal): Promise<boolean> {
  const { namespace, name, uid, node } = entry.owner;
  // A list by node and name: what a node's own credentials may read, and a plain "none" instead of an error.
  const fieldSelector = `spec.nodeName=${node},metadata.name=${name}`;
  const found = await context.client.list(pods, { namespace, fieldSelector, signal });
  if (!found.items.some((pod) => pod.metadata.uid === uid)) return false;
  entry.orphanSince = context.clock.now();
  return true;
}
