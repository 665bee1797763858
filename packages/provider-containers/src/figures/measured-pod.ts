// What of a pod has figures. Types only.
import type { ContainerDetails } from "../engine/engine-client.ts";

export interface MeasuredPod {
  readonly uid: string;
  readonly hostNetwork: boolean;
  /** The infra container, by whose process the pod's network is seen. */
  readonly infra: ContainerDetails | undefined;
  /** Running ones, by container name. */
  readonly containers: readonly { readonly name: string; readonly details: ContainerDetails }[];
  /** Volumes that are the pod's own: emptyDir, and those made of files. */
  readonly volumes: readonly { readonly name: string; readonly path: string }[];
}
