// Carries out what plan decided about one pod: the calls of the provider, and what follows from their outcome.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { pods, type Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodFailure, PodRequest } from "../provider/pods.ts";
import type { ResolvedPod } from "../resolved-pod.ts";
import { type ActionContext, event, fields } from "./action-context.ts";
import type { PodAction } from "./plan.ts";
import { waitsForBudget } from "./pod-budget.ts";
import { remove, stop } from "./pod-end.ts";
import { type PodEntry, revisionOf } from "./pod-entry.ts";
import { call } from "./provider-call.ts";
import { admission, hold, refuse, tellOmissions } from "./refusal.ts";
import { isOther, noteHanded, noteVolumes, resolveForCreate, resolveForUpdate } from "./resolution.ts";
import { acceptedAfterMs } from "./situation.ts";
import { updateVolumes } from "./volume-update.ts";

type ActionResult = Promise<{ readonly requeueAfterMs?: number } | undefined>;

/** Reason of a pod that its provider refuses or fails to create. */
const providerFailed = "ProviderFailed";

const deadlineExceeded: PodFailure = {
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
};

/** A result asks for another look at once, where the action changed what plan goes by. */
const lookAgain = { requeueAfterMs: 0 };

export async function act(
  action: PodAction,
  entry: PodEntry,
  context: ActionContext,
  signal: AbortSignal,
): ActionResult {
  switch (action.type) {
    case "none":
      return undefined;
    case "wait":
      return { requeueAfterMs: Math.max(1, action.until - context.clock.now()) };
    case "observe":
      await observe(entry, context, signal);
      return lookAgain;
    case "create":
      return create(entry, context, signal);
    case "update":
      return (await update(entry, context, signal)) ? lookAgain : undefined;
    case "updateVolumes":
      await updateVolumes(entry, context, signal);
      return lookAgain;
    case "reportUnapplied":
      if (entry.pod !== undefined) {
        const before = entry.applied;
        entry.applied = revisionOf(entry.pod);
        // Labels and annotations alone change nothing that runs: no word of them.
        if (before?.split("/")[0] === entry.applied.split("/")[0]) return lookAgain;
        const message =
          "The provider cannot change a running pod: the new spec takes effect when the pod is created anew";
        event(entry, context, "Warning", "ProviderUpdateFailed", message);
      }
      return lookAgain;
    case "delete":
      await remove(entry, action, context, signal);
      return lookAgain;
    case "stop":
      await stop(entry, action, context, signal);
      return lookAgain;
    case "evict":
      entry.evicted = true;
      await evict(entry, action.gracePeriodSeconds, context, signal);
      return undefined;
    case "refuse":
      return refuse(entry, context, signal);
    case "lose":
      entry.lost = true;
      context.tally.lost(context.node.name);
      context.log.error(fields(entry), "the backend lost the pod");
      event(entry, context, "Warning", "ProviderLostPod", "The provider no longer has this pod");
      return lookAgain;
    case "exceedDeadline":
      entry.nodeEnd = { failure: deadlineExceeded };
      event(entry, context, "Normal", deadlineExceeded.reason, deadlineExceeded.message);
      return lookAgain;
    case "finish":
      context.usage.remove(entry.owner.uid);
      context.resolution?.release(entry.owner.uid);
      context.onStatus(entry.owner.uid);
      return undefined;
    case "forget":
      context.resolution?.release(entry.owner.uid);
      context.usage.remove(entry.owner.uid);
      context.records.forget(entry.owner.uid);
      return undefined;
  }
}

async function observe(entry: PodEntry, context: ActionContext, signal: AbortSignal): Promise<void> {
  const at = context.clock.now();
  try {
    const report = await call(entry, context, signal, (callContext) =>
      context.node.provider.getPodStatus(entry.owner, callContext),
    );
    context.records.reported(context.node.name, report, at);
    // A newer push has the say about the facts, and the owner as we know it about whose it is; it is there all the same.
    const goneSince = entry.backend.type === "absent" && entry.backend.lastAt > at;
    if (entry.backend.type !== "present" && !goneSince) {
      entry.report ??= report;
      entry.create = "accepted";
      entry.backend = { type: "present", report: entry.report };
    }
  } catch (error) {
    const { kind } = VirtualKubeletError.from(error);
    if (kind !== "NotFound") {
      if (kind !== "Aborted") failed(entry, errorText(error), context);
      throw error;
    }
    context.records.absent(entry.owner.uid, at, context.consistencyDelayMs);
  }
}

/** The user is to see why the pod does not get on. */
function failed(entry: PodEntry, message: string, context: ActionContext, waiting?: PodEntry["waiting"]): void {
  if (entry.failure === message) return;
  entry.failure = message;
  entry.waiting = waiting;
  context.onStatus(entry.owner.uid);
}

async function create(entry: PodEntry, context: ActionContext, signal: AbortSignal): ActionResult {
  const { pod } = entry;
  const { node, usage, clock } = context;
  const { uid } = entry.owner;
  if (pod === undefined) return undefined;
  const object = node.object();
  if (object === undefined) return { requeueAfterMs: 250 };
  if (!usage.has(uid)) {
    const refusal = await admission(pod, object, context, signal);
    if (refusal !== undefined) return hold(entry, { ...refusal, byProvider: false }, context);
    const waitMs = waitsForBudget(entry, pod, context);
    if (waitMs !== undefined) return { requeueAfterMs: waitMs };
    usage.add(uid, pod);
  }
  entry.createStartedAt ??= clock.now();
  context.onStatus(uid, acceptedAfterMs);
  const outcome = resolveForCreate(entry, pod, context);
  if (outcome.type === "waits") return undefined;
  if (outcome.type === "held") return { requeueAfterMs: outcome.requeueAfterMs };
  const { resolved } = outcome;
  const request = requestOf(entry, pod, resolved);
  const before = entry.create;
  entry.create = "unknown";
  try {
    await call(entry, context, signal, (callContext) => node.provider.createPod(request, callContext));
  } catch (thrown) {
    const error = VirtualKubeletError.from(thrown);
    entry.createdAt = clock.now();
    entry.createNotBefore = entry.createdAt + (error.retryAfterMs ?? 0);
    if (isCertain(error)) entry.create = before;
    if (
      error.kind === "Aborted" &&
      (signal.aborted ||
        entry.pod?.metadata.deletionTimestamp !== undefined ||
        entry.nodeEnd !== undefined ||
        !entry.inApi)
    ) {
      if (!signal.aborted) entry.backend = { type: "unknown" };
      return lookAgain;
    }
    const message = errorText(error);
    if (error.kind === "Invalid" || error.kind === "Unsupported") {
      usage.remove(uid);
      event(entry, context, "Warning", "ProviderCreateFailed", message);
      const text = error.field === undefined || message.includes(error.field) ? message : `${error.field}: ${message}`;
      return hold(entry, { reason: error.reason ?? providerFailed, message: text, byProvider: true }, context);
    }
    failed(entry, message, context, waitingBy(error, pod));
    event(entry, context, "Warning", "ProviderCreateFailed", message);
    throw error;
  }
  entry.create = "accepted";
  entry.createdAt = clock.now();
  entry.applied = request.revision;
  entry.failure = undefined;
  const follows = noteHanded(entry, outcome, context);
  if (resolved !== undefined) {
    noteVolumes(entry, resolved.volumes);
    if (node.provider.updateVolumes === undefined && !follows) context.resolution?.release(uid);
  }
  if (entry.backend.type !== "present") entry.backend = { type: "awaited", since: entry.createdAt };
  event(entry, context, "Normal", "ProviderCreateSuccess", "Create pod in provider successfully");
  tellOmissions(entry, context);
  return lookAgain;
}

/** What a kubelet says of a container whose creation fails so. */
const waitingReasons: ReadonlySet<string> = new Set([
  ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"],
  ...["CreateContainerConfigError", "CreateContainerError"],
]);

function waitingBy({ reason, field }: VirtualKubeletError, pod: Pod): PodEntry["waiting"] {
  if (reason === undefined || !waitingReasons.has(reason)) return undefined;
  const [, list, index] = /^spec\.(containers|initContainers)\[(\d+)\]/.exec(field ?? "") ?? [];
  const containers = list === "initContainers" ? pod.spec?.initContainers : pod.spec?.containers;
  return { reason, container: index === undefined ? undefined : containers?.[Number(index)]?.name };
}

/** Did the backend surely not take it? A failure on the way leaves that open. */
function isCertain({ kind, httpStatus = 0 }: VirtualKubeletError): boolean {
  if (kind === "Aborted" || kind === "Conflict") return false;
  // An answer that says no, to be asked for again: that an image is not there yet.
  const isRefusal = httpStatus >= 400 && httpStatus < 500 && httpStatus !== 408 && httpStatus !== 409;
  return isRefusal || (kind !== "Unavailable" && kind !== "Internal");
}

function requestOf({ owner }: PodEntry, pod: Stored<Pod>, resolved: ResolvedPod | undefined): PodRequest {
  return { owner, pod, revision: revisionOf(pod), ...(resolved !== undefined && { resolved }) };
}

/** False: it waits for what the pod refers to. */
async function update(entry: PodEntry, context: ActionContext, signal: AbortSignal): Promise<boolean> {
  const { pod, completionDue } = entry;
  const { provider } = context.node;
  if (pod === undefined || provider.updatePod === undefined) return false;
  const outcome = resolveForUpdate(entry, pod, context);
  entry.completionDue = false;
  entry.updateWaits = outcome.type !== "resolved";
  const before = entry.applied ?? entry.report?.revision;
  const isNew = before !== revisionOf(pod);
  // A look at what its containers are given: the same as before.
  if (!isNew && !isOther(entry, outcome)) return true;
  if (outcome.type !== "resolved") return false;
  const request = requestOf(entry, pod, outcome.resolved);
  context.usage.shrink(entry.owner.uid, pod);
  try {
    await call(entry, context, signal, async (callContext) => provider.updatePod?.(request, callContext));
  } catch (thrown) {
    const error = VirtualKubeletError.from(thrown);
    entry.completionDue ||= completionDue;
    if (error.kind === "Aborted") return true;
    event(entry, context, "Warning", "ProviderUpdateFailed", errorText(error));
    if (error.kind === "NotFound") entry.backend = { type: "unknown" };
    // What can never be applied is not tried again; the pod runs on as it was.
    else if (error.kind === "Invalid" || error.kind === "Unsupported") entry.applied = request.revision;
    else throw error;
    return true;
  }
  const follows = noteHanded(entry, outcome, context);
  if (provider.updateVolumes === undefined && !follows) context.resolution?.release(entry.owner.uid);
  // What it needs from here on may be less: its volumes are looked at once more.
  else entry.volumesRevision = undefined;
  entry.applied = request.revision;
  // Given again to a backend that had been restarted, or with more of what it refers to: nothing of it changed.
  if (isNew && before !== "")
    event(entry, context, "Normal", "ProviderUpdateSuccess", "Update pod in provider successfully");
  context.onStatus(entry.owner.uid);
  return true;
}

async function evict(
  entry: PodEntry,
  gracePeriodSeconds: number,
  context: ActionContext,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = entry.owner;
  try {
    await context.client.delete(pods, { namespace, name }, { gracePeriodSeconds, uid, signal });
  } catch (error) {
    const { kind } = VirtualKubeletError.from(error);
    if (kind === "NotFound" || kind === "Conflict") return;
    entry.evicted = false;
    throw error;
  }
}
