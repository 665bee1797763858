// Clients as Nomad's HTTP API tells them, by its own names. Types only.

/** GET /v1/nodes?resources=true. */
export interface NomadNode {
  readonly ID: string;
  readonly Name: string;
  readonly Address?: string | undefined;
  readonly Datacenter: string;
  readonly NodePool?: string | undefined;
  readonly NodeClass?: string | undefined;
  readonly Status: "initializing" | "ready" | "down" | "disconnected";
  readonly SchedulingEligibility: "eligible" | "ineligible";
  readonly Drain: boolean;
  readonly Version?: string | undefined;
  readonly Drivers?:
    | Readonly<Record<string, { readonly Detected: boolean; readonly Healthy: boolean }>>
    | null
    | undefined;
  readonly NodeResources?: NomadNodeResources | null | undefined;
  readonly ReservedResources?:
    | {
        readonly Cpu?: { readonly CpuShares: number } | undefined;
        readonly Memory?: { readonly MemoryMB: number } | undefined;
        readonly Disk?: { readonly DiskMB: number } | undefined;
      }
    | null
    | undefined;
  readonly ModifyIndex: number;
}

export interface NomadNodeResources {
  readonly Cpu: {
    /** MHz of all cores together. */
    readonly CpuShares: number;
    readonly TotalCpuCores: number;
  };
  readonly Memory: { readonly MemoryMB: number };
  readonly Disk: { readonly DiskMB: number };
  /** Of each kind that it can give to groups: host, bridge, cni/NAME. */
  readonly NodeNetworks?: readonly { readonly Mode?: string | undefined }[] | null | undefined;
  readonly Devices?:
    | readonly {
        readonly Vendor: string;
        readonly Type: string;
        readonly Name: string;
        readonly Instances?: readonly { readonly ID: string; readonly Healthy: boolean }[] | null | undefined;
      }[]
    | null
    | undefined;
}
