// What a backend is told of pods, and what it says of them. Types and docs only. Serialisable.
import type { Stored } from "../kube/resource.ts";
import type { ContainerState, ContainerUser, Pod, ResourceRequirements, Time } from "../kube/types.gen.ts";
import type { ResolvedPod } from "../resolved-pod.ts";

/**
 * Whose a pod on the backend is. A provider writes it on the backend with the pod (tags, labels, metadata) and reports it
 * back unchanged; the core adopts, removes or leaves a backend pod alone by it. Identity is the `uid`.
 */
export interface PodOwner {
  /** UID of the cluster (of its kube-system namespace, unless configured). */
  readonly cluster: string;
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What to run. */
export interface PodRequest {
  readonly owner: PodOwner;
  /** The API object as last seen. Shared with the cache: never change it. */
  readonly pod: Stored<Pod>;
  /**
   * Names this state of spec, labels and annotations. A backend that can keep it with the pod and report it back has
   * changes applied that were made while the program was down, labels and annotations included.
   */
  readonly revision: string;
  /**
   * What the pod refers to, where the provider's capabilities ask for it (`resolve`). Holds secrets. Absent in an update of
   * labels and annotations alone when something of it has gone meanwhile: what was given before holds.
   */
  readonly resolved?: ResolvedPod | undefined;
}

/** Facts about one container; the core turns them into a v1.ContainerStatus. */
export interface ContainerReport {
  /** Of any container of the spec: init, main or ephemeral. */
  readonly name: string;
  /** Exactly one of waiting, running, terminated, as in v1. */
  readonly state: ContainerState;
  /** How the run before this one ended. */
  readonly lastState?: ContainerState | undefined;
  /** Default 0. */
  readonly restartCount?: number | undefined;
  /** Resolved image name; default the one of the spec. */
  readonly image?: string | undefined;
  /** Digest reference; default "". */
  readonly imageID?: string | undefined;
  /** `type://id`. */
  readonly containerID?: string | undefined;
  /** Startup probe passed (or none). Default: running. */
  readonly started?: boolean | undefined;
  /** Readiness as far as the backend knows it. Default: running and started. */
  readonly ready?: boolean | undefined;
  /** As whom its first process began. Default: nothing is told of it. */
  readonly user?: ContainerUser | undefined;
  /** In force, and held for it on the node. Default: the spec's. */
  readonly resources?: ResourceRequirements | undefined;
}

/** Why a pod is ended as a whole although nobody deletes it: phase Failed with this reason once nothing of it runs. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** Reason of the condition DisruptionTarget, which is there at once. Absent: it fails by its own fault. */
  readonly disruption?: string | undefined;
}

/** Facts about one pod on the backend. Never phase or conditions: the core computes them. */
export interface PodReport {
  readonly owner: PodOwner;
  /**
   * The backend does not say which cluster it is of (made by another program, before this one): `owner.cluster` is a guess. Such a
   * pod is adopted where the API has its UID, and never removed as an orphan.
   */
  readonly clusterUnknown?: true | undefined;
  /**
   * `revision` of the request last applied, where the backend keeps it. "": the backend has the pod, but must be given the
   * request (again) by updatePod to look after it; nobody is told of that.
   */
  readonly revision?: string | undefined;
  /** May lack containers that the backend does not show yet: they count as waiting. */
  readonly containers: readonly ContainerReport[];
  /** First is the primary; at most one of each IP family. */
  readonly podIPs?: readonly string[] | undefined;
  /** IPs of what hosts the pod; default the node's InternalIP addresses. */
  readonly hostIPs?: readonly string[] | undefined;
  /** When the backend accepted the pod. */
  readonly startTime?: Time | undefined;
  /** Network and sandbox exist (PodReadyToStartContainers). Default: an IP is known or a container has run. */
  readonly sandboxReady?: boolean | undefined;
  /** False holds the pod's Ready back although its containers are ready (e.g. a load balancer is not). */
  readonly ready?: boolean | undefined;
  /**
   * The pod is ended as a whole, for good: by the backend (eviction, spot reclaim), or because stopPod said so. While one of
   * its containers may still come to run, one that does not run yet included, it is not reported.
   */
  readonly failure?: PodFailure | undefined;
  /** All containers are being stopped to start over (RestartAllContainers): condition AllContainersRestarting. */
  readonly restartingAll?: boolean | undefined;
  /**
   * Resources that were asked for and are not in force: conditions PodResizePending (infeasible: never on this backend;
   * deferred: not yet) and PodResizeInProgress. Absent: there are none.
   */
  readonly resize?:
    | { readonly state: "infeasible" | "deferred" | "inProgress" | "failed"; readonly message?: string | undefined }
    | undefined;
  /** The backend wants the pod gone (it was removed there by hand): the core deletes the API object with this grace. */
  readonly evict?: { readonly gracePeriodSeconds: number } | undefined;
  /**
   * Annotations to be set on the API object, e.g. the backend's own id. Keys below `backend.virtual-kubelet.io/` are no part of a request's
   * revision; setting others is a change of the pod that comes back by updatePod.
   */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export type PodUpdate =
  | { readonly type: "report"; readonly report: PodReport }
  /** The backend no longer has the pod. Outside a deletion the core asks again before it believes it. */
  | { readonly type: "gone"; readonly owner: PodOwner }
  /**
   * Something happened to the pod that its users are to read in an Event (Pulled, Started, BackOff, Unhealthy ...). Told
   * once, never again after a broken stream; no secrets.
   */
  | {
      readonly type: "event";
      readonly owner: PodOwner;
      readonly eventType: "Normal" | "Warning";
      readonly reason: string;
      readonly message: string;
      /** The container that it is about, of any kind; absent: the pod. */
      readonly container?: string | undefined;
    };
