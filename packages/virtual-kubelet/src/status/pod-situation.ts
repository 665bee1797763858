// How things stand between the API's pod and the backend: what a status is made from. Types only.
import type { PodReport } from "../provider/pods.ts";
import type { ReferenceFault } from "../resolved-pod.ts";

/** How things stand between the API's pod and the backend. */
export type PodSituation =
  /** Not on the backend yet, or the backend was not asked since the start: what the API says of containers stays. */
  | { readonly type: "accepted" }
  /** Not given to the backend: something that it refers to is not there. */
  | { readonly type: "unresolved"; readonly faults: readonly ReferenceFault[] }
  /** The backend did not take it; it is tried again. */
  | {
      readonly type: "providerFailed";
      readonly message: string;
      /** For what a kubelet has a word of its own: the containers that are in the way (default: all) wait with it. */
      readonly waiting?: { readonly reason: string; readonly container?: string | undefined } | undefined;
    }
  | { readonly type: "reported"; readonly report: PodReport }
  /** Refused, but not Failed yet: Pending with the reason, until its owner's turn to be told has come. */
  | { readonly type: "held"; readonly reason: string; readonly message: string }
  /** It will never run here: admission of the node, or an error of the provider that is final. */
  | { readonly type: "refused"; readonly reason: string; readonly message: string }
  /** The backend has positively lost it, without being asked to. */
  | { readonly type: "lost"; readonly report: PodReport | undefined }
  /** The backend was asked to remove it and says that it is gone. `report` is the last one before. */
  | { readonly type: "ended"; readonly report: PodReport | undefined };
