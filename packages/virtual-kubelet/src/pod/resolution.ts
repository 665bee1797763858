// Where a pod is resolved for a provider that wants it: before it is created, when it is updated, and whenever its volumes change.
import { createHash } from "node:crypto";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { Provider } from "../provider.ts";
import type { ReferenceFault, Resolution, ResolvedPod, ResolvedVolume, VolumesResolution } from "../resolved-pod.ts";
import { type ActionContext, event, fields } from "./action-context.ts";
import { withoutOmissions } from "./capabilities.ts";
import { type PodEntry, revisionOf } from "./pod-entry.ts";
import { hold } from "./refusal.ts";

/** What pods refer to, as far as it is known. Never waits: it tells (from outside) when to ask again. */
export interface PodResolution {
  /** All that the pod needs to start; what it refers to is watched from here on. */
  resolve(pod: Stored<Pod>): Resolution;
  /** Contents of its volumes; what else it needs is no longer watched unless `keep` says so. */
  volumes(pod: Stored<Pod>, keep: boolean): VolumesResolution;
  /** It needs nothing any more. */
  release(uid: string): void;
}

/** "waits": somebody tells when to look again. "held": it is refused. */
export type ResolvedOutcome =
  | {
      readonly type: "resolved";
      readonly resolved: ResolvedPod | undefined;
      /** What containers of it lack. */
      readonly lacking?: readonly ReferenceFault[] | undefined;
    }
  | { readonly type: "waits" }
  | { readonly type: "held"; readonly requeueAfterMs: number };

/** For a create: nothing goes to the provider before all is there that it cannot begin without. */
export function resolveForCreate(entry: PodEntry, pod: Stored<Pod>, context: ActionContext): ResolvedOutcome {
  if (context.resolution === undefined) return { type: "resolved", resolved: undefined };
  const resolution = context.resolution.resolve(asRun(pod, context));
  // What changes from here on is another change.
  entry.volumesDue = false;
  entry.completionDue = false;
  switch (resolution.type) {
    case "pending":
      return { type: "waits" };
    case "refused": {
      const { field, message } = resolution;
      const refusal = { reason: "PodFeatureUnsupported", message: `${field}: ${message}`, byProvider: true };
      context.usage.remove(entry.owner.uid);
      return { type: "held", ...hold(entry, refusal, context) };
    }
    case "missing": {
      const { partial, faults } = resolution;
      const ofContainers =
        takesPartial(context.node.provider) && faults.every(({ container }) => container !== undefined);
      // Soon it is known what of the rest is there.
      if (ofContainers && partial === undefined) return { type: "waits" };
      tell(entry, [...resolution.notes, ...faults], context);
      if (ofContainers) {
        entry.missing = undefined;
        return { type: "resolved", resolved: partial, lacking: faults };
      }
      if (!isSame(entry.missing, resolution.faults)) {
        entry.missing = resolution.faults;
        context.log.info(
          { ...fields(entry), fields: resolution.faults.map(({ field }) => field) },
          "the pod waits for what it refers to",
        );
        context.onStatus(entry.owner.uid);
      }
      return { type: "waits" };
    }
    case "ready":
      tell(entry, resolution.notes, context);
      entry.missing = undefined;
      return { type: "resolved", resolved: resolution.resolved };
  }
}

/**
 * For an update of what runs. What has gone meanwhile holds up a changed spec (containers may be made anew by it) and a backend
 * that asks for everything again, but not labels and annotations: they go without.
 */
export function resolveForUpdate(entry: PodEntry, pod: Stored<Pod>, context: ActionContext): ResolvedOutcome {
  if (context.resolution === undefined) return { type: "resolved", resolved: undefined };
  const resolution = context.resolution.resolve(asRun(pod, context));
  if (resolution.type === "ready") return { type: "resolved", resolved: resolution.resolved };
  if (resolution.type === "missing") {
    const { partial, faults } = resolution;
    if (!isSame(entry.lacking, faults)) tell(entry, faults, context);
    if (takesPartial(context.node.provider) && partial !== undefined)
      return { type: "resolved", resolved: partial, lacking: faults };
  }
  const generation = (revision: string | undefined): string | undefined => revision?.split("/", 1)[0];
  const isSameSpec = generation(entry.applied ?? entry.report?.revision) === generation(revisionOf(pod));
  return resolution.type === "pending" || !isSameSpec
    ? { type: "waits" }
    : { type: "resolved", resolved: undefined, lacking: entry.lacking };
}

/** Do its containers get something else than they were given last? */
export function isOther(entry: PodEntry, outcome: ResolvedOutcome): boolean {
  return outcome.type === "resolved" && outcome.resolved !== undefined && entry.handed !== givenBy(outcome.resolved);
}

/** The provider has this now. True: it wants to know what comes later. */
export function noteHanded(entry: PodEntry, outcome: ResolvedOutcome, context: ActionContext): boolean {
  const follows = takesPartial(context.node.provider);
  if (outcome.type !== "resolved") return follows;
  entry.lacking = outcome.lacking;
  if (follows && outcome.resolved !== undefined) entry.handed = givenBy(outcome.resolved);
  return follows;
}

/** The backend has these contents now. */
export function noteVolumes(entry: PodEntry, volumes: readonly ResolvedVolume[]): void {
  for (const volume of volumes) if (volume.type === "files") entry.volumeDigests.set(volume.name, digestOf(volume));
}

/** Volumes whose contents the backend does not have yet; what is missing for others is told. */
export function changedVolumes(entry: PodEntry, pod: Stored<Pod>, context: ActionContext): readonly ResolvedVolume[] {
  if (context.resolution === undefined) return [];
  const { volumes, faults } = context.resolution.volumes(
    asRun(pod, context),
    entry.updateWaits || takesPartial(context.node.provider),
  );
  tell(entry, faults, context);
  return volumes.filter(
    (volume) => volume.type === "files" && entry.volumeDigests.get(volume.name) !== digestOf(volume),
  );
}

/** The provider begins with pods of which containers lack something, and is told of what these are given from then on. */
export function takesPartial(provider: Provider): boolean {
  return provider.capabilities?.resolvePartly === true && provider.updatePod !== undefined;
}

/** What the provider leaves out is not asked for either. */
function asRun(pod: Stored<Pod>, { node }: ActionContext): Stored<Pod> {
  return withoutOmissions(pod, node.provider.capabilities ?? {});
}

/** Each fault has its event once, and again when it came back. */
function tell(entry: PodEntry, faults: readonly ReferenceFault[], context: ActionContext): void {
  const before = entry.toldFaults;
  entry.toldFaults = new Set();
  for (const { field, reason, message, container } of faults) {
    const key = `${reason} ${field} ${message}`;
    entry.toldFaults.add(key);
    if (!before.has(key)) event(entry, context, "Warning", reason, message, container);
  }
}

function isSame(before: readonly ReferenceFault[] | undefined, now: readonly ReferenceFault[] | undefined): boolean {
  return JSON.stringify(before) === JSON.stringify(now);
}

/** Tells apart what containers are given without keeping it: it may be secret. */
function givenBy({ containers, imageCredentials }: ResolvedPod): string {
  return createHash("sha256")
    .update(JSON.stringify([containers, imageCredentials]))
    .digest("base64");
}

/** Tells contents apart without keeping them. */
function digestOf(volume: ResolvedVolume): string {
  const hash = createHash("sha256");
  if (volume.type !== "files") return "";
  for (const { path, mode, uid, data } of volume.files) {
    hash.update(`${JSON.stringify([path, mode, uid ?? null, data.length])}\n`);
    hash.update(data);
  }
  return hash.digest("base64");
}
