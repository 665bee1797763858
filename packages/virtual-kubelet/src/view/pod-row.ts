// One pod in a line: where it stands, and what holds it up. Pure.
import type { ContainerStatus, Pod, PodStatus } from "../kube/types.gen.ts";
import type { Inspected } from "../pod/pod-inspection.ts";
import { redactText } from "../program/redact.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { PodRow } from "./view-state.ts";

/** Phase of pods whose object is not there any more, while something of them is remembered. */
export const gone = "Gone";

export function podRow({ entry, pod, retries }: Inspected): PodRow {
  const { uid, namespace, name, node } = entry.owner;
  const statuses = statusesOf(pod?.status);
  const nextAt = retries.flatMap((retry) => retry.nextAt ?? []);
  return {
    uid,
    namespace,
    name,
    node,
    phase: pod === undefined ? gone : (pod.status?.phase ?? "Pending"),
    reason: trouble({ entry, pod, retries })?.reason,
    ready: `${statuses.filter(({ ready }) => ready).length}/${pod?.spec?.containers.length ?? 0}`,
    restarts: statuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    since: boundAt(pod) ?? entry.seenAt,
    deleting: pod?.metadata.deletionTimestamp !== undefined,
    retryAt: nextAt.length === 0 ? undefined : Math.min(...nextAt),
  };
}

/** A pod of which nothing is left but what was done about it. */
export function goneRow({ uid, namespace, name, node }: PodOwner, since: number): PodRow {
  return { uid, namespace, name, node, phase: gone, ready: "", restarts: 0, since, deleting: false };
}

export interface Trouble {
  readonly reason: string;
  readonly message?: string | undefined;
}

/** The first thing that holds it up, or why it ended badly; undefined: nothing that is known of. */
export function trouble({ entry, pod }: Inspected): Trouble | undefined {
  const told = first(entry, pod);
  return told?.message === undefined ? told : { ...told, message: redactText(told.message) };
}

function first(entry: Inspected["entry"], pod: Pod | undefined): Trouble | undefined {
  const { refusal, failure, lost, missing } = entry;
  const { phase, reason, message } = pod?.status ?? {};
  if (pod === undefined) return { reason: "left on the back end", message: "The API has no such pod." };
  if (phase === "Succeeded") return undefined;
  if (refusal !== undefined) return { reason: refusal.reason, message: refusal.message };
  if (lost) return { reason: "ProviderLostPod", message: "The provider no longer has this pod" };
  if (phase === "Failed") return { reason: reason ?? badEnd(pod) ?? "Failed", message };
  if (failure !== undefined) return { reason: "ProviderFailed", message: failure };
  const [absent] = missing ?? [];
  if (absent !== undefined) return { reason: "waits for what it refers to", message: absent.message };
  for (const { name, state } of statusesOf(pod.status)) {
    const waiting = state?.waiting?.reason;
    if (waiting !== undefined && waiting !== "ContainerCreating" && waiting !== "PodInitializing")
      return { reason: waiting, message: `container ${name}: ${state?.waiting?.message ?? waiting}` };
  }
  return undefined;
}

function badEnd(pod: Pod): string | undefined {
  for (const { name, state } of statusesOf(pod.status)) {
    const exitCode = state?.terminated?.exitCode ?? 0;
    if (exitCode !== 0) return `container ${name} ended with ${exitCode}`;
  }
  return undefined;
}

export function statusesOf(status: PodStatus | undefined): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

function boundAt(pod: Pod | undefined): number | undefined {
  const bound = pod?.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "True");
  const at = Date.parse(bound?.lastTransitionTime ?? pod?.metadata?.creationTimestamp ?? "");
  return Number.isNaN(at) ? undefined : at;
}
