// A job as it goes to Nomad's HTTP API, by its own names. Durations are nanoseconds. Types only.

export interface NomadJob {
  readonly ID: string;
  readonly Name: string;
  readonly Type: "batch" | "service";
  readonly Region?: string | undefined;
  readonly Namespace?: string | undefined;
  readonly NodePool?: string | undefined;
  readonly Datacenters: readonly string[];
  readonly Priority: number;
  readonly Meta: Readonly<Record<string, string>>;
  readonly Constraints?: readonly NomadConstraint[] | undefined;
  readonly TaskGroups: readonly NomadTaskGroup[];
}

export interface NomadConstraint {
  readonly LTarget: string;
  readonly Operand: string;
  readonly RTarget: string;
}

export interface NomadTaskGroup {
  readonly Name: string;
  readonly Count: 1;
  readonly RestartPolicy: NomadRestartPolicy;
  readonly ReschedulePolicy: { readonly Attempts: 0; readonly Unlimited: false };
  /** Absent for batch jobs: these are never migrated. */
  readonly Migrate?: { readonly MaxParallel: number } | undefined;
  /** MaxParallel 0: no deployments. */
  readonly Update?: { readonly MaxParallel: 0 } | undefined;
  readonly Disconnect?: { readonly Replace: false } | undefined;
  readonly EphemeralDisk: { readonly SizeMB: number; readonly Sticky: false; readonly Migrate: false };
  readonly Networks?: readonly NomadNetwork[] | undefined;
  readonly Volumes?: Readonly<Record<string, NomadVolumeRequest>> | undefined;
  readonly Tasks: readonly NomadTask[];
}

export interface NomadRestartPolicy {
  readonly Attempts: number;
  readonly Interval: number;
  readonly Delay: number;
  readonly Mode: "fail" | "delay";
}

export interface NomadNetwork {
  readonly Mode: string;
  readonly Hostname?: string | undefined;
  readonly DNS?:
    | {
        readonly Servers: readonly string[];
        readonly Searches: readonly string[];
        readonly Options: readonly string[];
      }
    | undefined;
  readonly ReservedPorts?: readonly NomadPort[] | undefined;
  readonly DynamicPorts?: readonly NomadPort[] | undefined;
}

export interface NomadPort {
  readonly Label: string;
  readonly Value?: number | undefined;
  readonly To?: number | undefined;
}

export interface NomadVolumeRequest {
  readonly Name: string;
  readonly Type: "host" | "csi";
  readonly Source: string;
  readonly ReadOnly: boolean;
  readonly AccessMode?: string | undefined;
  readonly AttachmentMode?: string | undefined;
}

export interface NomadTask {
  readonly Name: string;
  readonly Driver: string;
  readonly User?: string | undefined;
  readonly Leader?: boolean | undefined;
  readonly Lifecycle?: { readonly Hook: "prestart" | "poststart" | "poststop"; readonly Sidecar: boolean } | undefined;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Env?: Readonly<Record<string, string>> | undefined;
  readonly Templates?: readonly NomadTemplate[] | undefined;
  readonly RestartPolicy?: NomadRestartPolicy | undefined;
  readonly Resources: NomadResources;
  readonly KillTimeout: number;
  readonly KillSignal?: string | undefined;
  readonly LogConfig?: { readonly MaxFiles: number; readonly MaxFileSizeMB: number } | undefined;
  readonly VolumeMounts?: readonly NomadVolumeMount[] | undefined;
}

export interface NomadTemplate {
  readonly EmbeddedTmpl: string;
  /** Below the task's directory: `secrets/…`, `local/…`. */
  readonly DestPath: string;
  readonly Perms?: string | undefined;
  readonly Uid?: number | undefined;
  readonly Gid?: number | undefined;
  readonly Envvars?: boolean | undefined;
  readonly ChangeMode: "noop" | "restart" | "signal" | "script";
  readonly ErrMissingKey?: boolean | undefined;
}

export interface NomadResources {
  readonly CPU: number;
  readonly MemoryMB: number;
  readonly MemoryMaxMB?: number | undefined;
  readonly Devices?: readonly { readonly Name: string; readonly Count: number }[] | undefined;
}

export interface NomadVolumeMount {
  readonly Volume: string;
  readonly Destination: string;
  readonly ReadOnly: boolean;
  readonly PropagationMode?: string | undefined;
}
