// What a backend can do. Types and docs only. Serialisable.
import type { Quantity } from "../kube/types.gen.ts";

/** Parts of a pod spec beyond image, command, args, env, ports and resources that a backend can honour. */
export type PodFeature =
  | "initContainers"
  | "sidecarContainers"
  | "ephemeralContainers"
  | "probes"
  | "lifecycleHooks"
  | "hostNetwork"
  | "hostPID"
  | "hostIPC"
  | "hostPorts"
  | "hostUsers"
  | "privileged"
  | "securityContext"
  | "tty"
  | "resourceClaims"
  | "windows";

/** Names of the volume sources of v1.Volume. */
export type VolumeKind =
  | "awsElasticBlockStore"
  | "azureDisk"
  | "azureFile"
  | "cephfs"
  | "cinder"
  | "configMap"
  | "csi"
  | "downwardAPI"
  | "emptyDir"
  | "ephemeral"
  | "fc"
  | "flexVolume"
  | "flocker"
  | "gcePersistentDisk"
  | "gitRepo"
  | "glusterfs"
  | "hostPath"
  | "image"
  | "iscsi"
  | "nfs"
  | "persistentVolumeClaim"
  | "photonPersistentDisk"
  | "portworxVolume"
  | "projected"
  | "quobyte"
  | "rbd"
  | "scaleIO"
  | "secret"
  | "storageos"
  | "vsphereVolume";

/** What a backend can do. A pod that needs more is refused before createPod, with the field named. */
export interface Capabilities {
  /** Default: all. */
  readonly features?: readonly PodFeature[] | undefined;
  /** Default: all. */
  readonly volumes?: readonly VolumeKind[] | undefined;
  readonly limits?:
    | {
        /** Containers of a pod, init containers included. */
        readonly containers?: number | undefined;
        /** Largest request of one pod, by resource name. */
        readonly requests?: Readonly<Record<string, Quantity>> | undefined;
      }
    | undefined;
  /**
   * True: `PodRequest.resolved` is wanted, and a pod waits until everything that it must refer to is there. Default false:
   * the provider gets the pod as it is in the API.
   */
  readonly resolve?: boolean | undefined;
  /**
   * With `resolve` and updatePod: a pod is handed over although containers lack what they must have in their environment. They
   * are marked (`ResolvedContainer.missing`) and must not be made; the others go on. An update, of the same revision too,
   * follows whenever containers are to be given something else from their next start on; a provider that has such a pod from
   * before a restart of the program asks for it by an empty `revision`. Volumes are waited for all the same. Default false:
   * such a pod waits as a whole, and keeps what it was given.
   */
  readonly resolvePartly?: boolean | undefined;
  /** With `resolve`: variables may come from files in emptyDir volumes (`FileKey`). Default false: such pods are refused. */
  readonly envFiles?: boolean | undefined;
  /** For so long after a create the backend may still answer "not found" about the pod. Default 0. */
  readonly consistencyDelaySeconds?: number | undefined;
  /**
   * For `declaredFeatures` of the node: what of newer Kubernetes the backend does itself, by the names of the feature gates.
   * Schedulers bring pods that need one to such nodes alone. Default none.
   */
  readonly declaredFeatures?: readonly string[] | undefined;
}
