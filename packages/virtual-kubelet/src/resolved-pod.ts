// A pod with everything in place that its spec refers to: environment, files, names, credentials. Types only. Serialisable.
// It holds secrets: never part of an API object, a log line or an event.

/** Fields of a pod that are known only once it has addresses. */
export type LateField = "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs";

/** A key in an env file that containers of the pod write: read each time a container is made that asks for it. */
export interface FileKey {
  /** Name of an emptyDir volume of the pod. */
  readonly volume: string;
  /** Relative to the volume's root; never with `..`. */
  readonly path: string;
  readonly key: string;
  /** Without file or key there is no such variable; else the container cannot be made without them. */
  readonly optional: boolean;
}

export type LatePart =
  | string
  | { readonly fieldPath: LateField }
  /** Each of the pod's addresses, with this text after it. */
  | { readonly afterEachPodIP: string }
  /** `otherwise`: where an optional one is not there; absent: then there is no text at all. */
  | { readonly fileKey: FileKey; readonly otherwise?: LateText | undefined };

/** Text, or the parts of one where some are known only later. Those of files only where capabilities say `envFiles`. */
export type LateText = string | readonly LatePart[];

export interface ResolvedEnvVar {
  readonly name: string;
  /** References are expanded. Without a text there is no such variable. */
  readonly value: LateText;
  /** Its value, or a part of it, came from a Secret or a token. */
  readonly secret?: true | undefined;
}

export interface ResolvedMount {
  /** Name of a volume of the pod. */
  readonly volume: string;
  /** Absolute path in the container. */
  readonly mountPath: string;
  /** Relative path within the volume, its expression expanded. Mounts with one are never updated. */
  readonly subPath?: LateText | undefined;
  readonly readOnly: boolean;
  /** What is mounted below it is read-only too; "IfPossible": where the backend can. Absent: "Disabled". */
  readonly recursiveReadOnly?: "Enabled" | "IfPossible" | undefined;
  /** Absent: "None". */
  readonly mountPropagation?: "HostToContainer" | "Bidirectional" | undefined;
}

export interface ResolvedContainer {
  readonly name: string;
  /** As in the spec, with the tag `latest` where it has neither tag nor digest. A name without a registry stays without one. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  /** Absent: the image's entrypoint. */
  readonly command?: readonly LateText[] | undefined;
  /** Absent: the image's arguments, unless `command` is given. */
  readonly args?: readonly LateText[] | undefined;
  /** In the order of the kubelet: service variables, envFrom, env; each name once. */
  readonly env: readonly ResolvedEnvVar[];
  readonly mounts: readonly ResolvedMount[];
  /**
   * What it cannot be made without is not there, in the kubelet's words; the rest of it is incomplete then, and follows in an
   * update. Only where capabilities say `resolvePartly`.
   */
  readonly missing?: string | undefined;
}

export interface ResolvedFile {
  /** Relative to the volume's root; never with `..`. */
  readonly path: string;
  /** Permission bits, e.g. 0o644; those of the group are there where the pod has an fsGroup. */
  readonly mode: number;
  /** User that it is to belong to, where only that user may read it (tokens). */
  readonly uid?: number | undefined;
  readonly data: Uint8Array;
  /** Came from a Secret or is a token or key. */
  readonly secret: boolean;
}

export type ResolvedVolume =
  /** configMap, secret, downwardAPI, projected. */
  | {
      readonly name: string;
      readonly type: "files";
      readonly files: readonly ResolvedFile[];
      /** The content holds secrets: keep it in memory (tmpfs) where that can be had. */
      readonly memory: boolean;
    }
  | {
      readonly name: string;
      readonly type: "emptyDir";
      readonly medium: string;
      /** Bytes; absent: unlimited. */
      readonly sizeLimit?: number | undefined;
    }
  | { readonly name: string; readonly type: "hostPath"; readonly path: string; readonly hostPathType: string }
  /** What only the backend can bring: claims, CSI, cloud disks; see the pod's spec. */
  | {
      readonly name: string;
      readonly type: "backend";
      /** Keys of the Secret of the pod's namespace that it names (azureFile, csi), where it names one. */
      readonly secret?: readonly ResolvedFile[] | undefined;
      /** What a claim is bound to; only where capabilities name `persistentVolumeClaim` among the volumes. */
      readonly claimed?: ClaimedVolume | undefined;
    };

/** A persistent volume, as far as backends outside the cluster can do something with it. */
export interface ClaimedVolume {
  readonly name: string;
  readonly csi?:
    | {
        readonly driver: string;
        readonly volumeHandle: string;
        readonly readOnly?: boolean | undefined;
        readonly volumeAttributes?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
  readonly nfs?:
    | { readonly server: string; readonly path: string; readonly readOnly?: boolean | undefined }
    | undefined;
  readonly mountOptions?: readonly string[] | undefined;
}

/** Credentials for the registries of some images. */
export interface ImageCredential {
  /** Prefix of image names that they are for: registry host, with a path where there is one. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
  /** In place of the two, where the secret has one. */
  readonly identityToken?: string | undefined;
}

export interface ResolvedPod {
  /** At most 63 characters. */
  readonly hostname: string;
  /** hostname.subdomain.namespace.svc.domain, where there is a subdomain. */
  readonly fqdn?: string | undefined;
  /** Whether the kernel's hostname is the fqdn. */
  readonly setHostnameAsFQDN: boolean;
  /** Content of /etc/resolv.conf; absent: the host's. */
  readonly resolvConf?: string | undefined;
  /** Content of /etc/hosts, with the pod's address; absent: the host's own stays. */
  readonly hosts?: LateText | undefined;
  /** To be added to the host's own /etc/hosts, for a pod in its network; "" where there is nothing. */
  readonly hostsAdded?: string | undefined;
  /** `handler` of its RuntimeClass; absent: the backend's default. */
  readonly runtimeHandler?: string | undefined;
  /** All of the spec, in its order: init, main, ephemeral. */
  readonly containers: readonly ResolvedContainer[];
  readonly volumes: readonly ResolvedVolume[];
  /** Best match (longest registry) first. */
  readonly imageCredentials: readonly ImageCredential[];
}

/** Something that a pod refers to and that is not there or cannot be read. Holds no secrets. */
export interface ReferenceFault {
  /** Path in the pod, e.g. `spec.containers[0].env[2].valueFrom.secretKeyRef`. */
  readonly field: string;
  /** `reason` of the event that tells of it. */
  readonly reason: string;
  /** In the kubelet's words. */
  readonly message: string;
  /** The container that cannot be made without it; absent: the pod's volumes or its sandbox cannot. */
  readonly container?: string | undefined;
}

/** How far a pod is resolved. `notes` are of references that the pod can do without. */
export type Resolution =
  /** Something is still being read; the resolver tells when to ask again. */
  | { readonly type: "pending" }
  | {
      readonly type: "missing";
      readonly faults: readonly ReferenceFault[];
      readonly notes: readonly ReferenceFault[];
      /** Where nothing but containers lack something, and all else is read: the pod with these marked as `missing`. */
      readonly partial?: ResolvedPod | undefined;
    }
  /** It asks for what cannot be done here; nothing in the cluster will change that. */
  | { readonly type: "refused"; readonly field: string; readonly message: string }
  | { readonly type: "ready"; readonly resolved: ResolvedPod; readonly notes: readonly ReferenceFault[] };

/** What the volumes of a pod that runs already are to hold now. */
export interface VolumesResolution {
  /** Those of type files that are known in full; the others stay as they are. */
  readonly volumes: readonly ResolvedVolume[];
  readonly faults: readonly ReferenceFault[];
}
