// What the process knows about one pod, by UID: the API's side is in the informer, this is the backend's side and ours.

import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodFailure, PodOwner, PodReport } from "../provider/pods.ts";
import type { ReferenceFault } from "../resolved-pod.ts";

/** What the backend last said about a pod. */
export type BackendView =
  /** Nothing certain: not asked yet, or a listing lacks it, or the answer was an error. */
  | { readonly type: "unknown" }
  /** A create was accepted (epoch ms) and nothing has been reported since. */
  | { readonly type: "awaited"; readonly since: number }
  | { readonly type: "present"; readonly report: PodReport }
  /** "Not found", first and last time in a row (epoch ms). */
  | { readonly type: "absent"; readonly firstAt: number; readonly lastAt: number };

/**
 * Has the backend been told to create it? "unknown": it was, and the outcome is not certain (an error on the way); creates
 * are idempotent, so it is asked again. "accepted" ends that for good: the UID is never created a second time.
 */
export type CreateState = "never" | "unknown" | "accepted";

export interface Refusal {
  readonly reason: string;
  readonly message: string;
  /** Epoch ms at which it is looked at once more and then becomes final: refusals are paced per owner. */
  readonly failAt: number;
  /** The pod is Failed by it. Until then it is held Pending, with reason and message. */
  readonly final: boolean;
  /** The provider's word, which no second look of the node's admission takes back. */
  readonly byProvider?: boolean | undefined;
}

export interface Deletion {
  readonly gracePeriodSeconds: number;
  /** When the backend was told, epoch ms. */
  readonly at: number;
  /** It was told to stop the pod and to keep what is left of it. */
  readonly keeps?: true | undefined;
}

/** This node ends a pod that nobody deletes. */
export interface NodeEnd {
  readonly failure: PodFailure;
  /** The longest grace, seconds; absent: the pod's own. */
  readonly gracePeriodSeconds?: number | undefined;
}

export interface PodEntry {
  readonly owner: PodOwner;
  /** The newest object seen; kept after it left the API until the backend is clean. */
  pod: Stored<Pod> | undefined;
  /** In the API as far as the informer knows. */
  inApi: boolean;
  /** True once it was seen in the API by this process: if it then leaves, that is a deletion and no orphan. */
  wasInApi: boolean;
  /** First seen by this process, epoch ms. */
  readonly seenAt: number;
  backend: BackendView;
  /** Last report, kept while the backend's view is uncertain. */
  report: PodReport | undefined;
  /** When `report` came, epoch ms: an older listing does not replace it. */
  reportAt: number;
  create: CreateState;
  /** End of the last createPod, epoch ms. */
  createdAt: number;
  /** The backend wants to hear of no create before this, epoch ms (it throttles). */
  createNotBefore: number;
  /** Start of the first createPod. */
  createStartedAt: number | undefined;
  /** Revision last handed to the backend; undefined for an adopted pod whose backend does not tell. */
  applied: string | undefined;
  deletion: Deletion | undefined;
  refusal: Refusal | undefined;
  /** It waits, Pending with this reason, until a ceiling of costs leaves room for it. */
  overBudget: { readonly reason: string; readonly message: string } | undefined;
  /** Text of the last provider error that keeps it Pending. */
  failure: string | undefined;
  /** With the failure, where a kubelet has a word for it. */
  waiting: { readonly reason: string; readonly container?: string | undefined } | undefined;
  lost: boolean;
  /** This node ends it. */
  nodeEnd: NodeEnd | undefined;
  /** An API DELETE asked for by the backend was sent. */
  evicted: boolean;
  /** What it refers to and cannot start without; undefined: nothing that is known of. */
  missing: readonly ReferenceFault[] | undefined;
  /** What containers lack in the pod as it was last handed over; undefined: nothing. */
  lacking: readonly ReferenceFault[] | undefined;
  /** Tells what its containers were last given from anything else, where that is followed. */
  handed: string | undefined;
  /** What it refers to may have changed since that was resolved. */
  completionDue: boolean;
  /** Faults that had their event. */
  toldFaults: Set<string>;
  /** An update waits for what it refers to. */
  updateWaits: boolean;
  /** Contents of its volumes may have changed since they were handed over. */
  volumesDue: boolean;
  /** Revision with which contents of volumes were last handed over; undefined: not by this process. */
  volumesRevision: string | undefined;
  /** Which contents the backend has, by volume. */
  readonly volumeDigests: Map<string, string>;
  /** Ends the provider call under way. */
  call: AbortController | undefined;
  /** For an orphan: when it was first seen without an API object, epoch ms. */
  orphanSince: number | undefined;
}

/** An entry for a pod of which nothing is known yet but whose it is. */
export function newEntry(owner: PodOwner, seenAt: number): PodEntry {
  return {
    owner,
    seenAt,
    pod: undefined,
    inApi: false,
    wasInApi: false,
    backend: { type: "unknown" },
    report: undefined,
    reportAt: 0,
    create: "never",
    createdAt: 0,
    createNotBefore: 0,
    createStartedAt: undefined,
    applied: undefined,
    deletion: undefined,
    refusal: undefined,
    overBudget: undefined,
    failure: undefined,
    waiting: undefined,
    lost: false,
    nodeEnd: undefined,
    evicted: false,
    missing: undefined,
    lacking: undefined,
    handed: undefined,
    completionDue: false,
    toldFaults: new Set(),
    updateWaits: false,
    volumesDue: false,
    volumesRevision: undefined,
    volumeDigests: new Map(),
    call: undefined,
    orphanSince: undefined,
  };
}

/**
 * Names the state of everything about a pod that a backend may be told of later: its spec, by metadata.generation (raised
 * by the API server at each change of the spec), its labels and its annotations.
 */
export function revisionOf(pod: Stored<Pod>): string {
  const { generation, labels, annotations } = pod.metadata;
  return `${generation ?? 0}/${textHash(canonical(labels))}/${textHash(canonical(annotations, backendPrefix))}`;
}

/** Of annotations that a backend has set (PodReport.annotations): it need not be told of them. */
const backendPrefix = "backend.virtual-kubelet.io/";

/** Without what begins with `left`. */
function canonical(map: Readonly<Record<string, string>> | undefined, left?: string): string {
  if (map === undefined) return "";
  const all = Object.keys(map);
  const keys = (left === undefined ? all : all.filter((key) => !key.startsWith(left))).sort();
  let text = "";
  for (const key of keys) text += `${key}\0${map[key] ?? ""}\0`;
  return text;
}

// FNV-1a: tells revisions apart, guards nothing.
function textHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(36);
}

/** Does the API's status show that the pod has been on a backend? Then it is never created again. */
export function everRan(pod: Pod): boolean {
  const status = pod.status;
  if (status === undefined) return false;
  if ((status.podIP ?? "") !== "" && pod.spec?.hostNetwork !== true) return true;
  for (const list of [status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses])
    for (const container of list ?? [])
      if (
        container.state?.running !== undefined ||
        container.state?.terminated !== undefined ||
        (container.containerID ?? "") !== ""
      )
        return true;
  return false;
}

/** Grace for stopping this pod: what the deletion says, else what the spec says; the default is the API's. */
export function graceOf(pod: Stored<Pod> | undefined): number {
  return pod?.metadata.deletionGracePeriodSeconds ?? pod?.spec?.terminationGracePeriodSeconds ?? 30;
}
