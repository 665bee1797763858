// What the provider asks of Azure Resource Manager, for one resource group. Types and docs only.
import type { CallContext } from "@virtual-kubelet/virtual-kubelet";
import type { SocketTerminal } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Permission, RegionCapabilities, Subnet, Usage } from "./region-wire.ts";
import type { ContainerGroup, Tags } from "./wire.ts";

/** How a call is ordered among those that wait for the budget; default "soon". */
export type Urgency = "now" | "soon" | "later";

export interface ArmCall extends CallContext {
  readonly urgency?: Urgency | undefined;
}

export interface SubnetRef {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly virtualNetwork: string;
  readonly name: string;
}

/** A metric of a group over time. */
export interface MetricSeries {
  /** The cloud's name: CpuUsage, MemoryUsage, NetworkBytesReceivedPerSecond, NetworkBytesTransmittedPerSecond. */
  readonly name: string;
  /** The container, where it was asked by container. */
  readonly container?: string | undefined;
  /** Minutes without a value are left out; oldest first. CPU in millicores, memory in bytes. */
  readonly points: readonly { readonly time: number; readonly average: number }[];
}

/**
 * Throws VirtualKubeletError: NotFound (there is no such thing), Conflict (a transition is under way: `reason` is the cloud's code),
 * Invalid (the body is refused for good; message has the cloud's code and words), Quota, Throttled with retryAfterMs, Unauthorized,
 * Forbidden, Unavailable (answers of 5xx, network: outcome unknown), Aborted. `reason` is the cloud's error code in all of them.
 * Calls wait for the budget. `name` is that of a container group.
 */
export interface AciClient extends AsyncDisposable {
  readonly subscription: string;
  readonly resourceGroup: string;
  /** `/subscriptions/.../containerGroups/<name>`. */
  groupId(name: string): string;

  /** Resolves when the cloud has accepted it (200, 201, 202): what it answered. How it goes on is seen by `get`. */
  createOrUpdate(name: string, group: ContainerGroup, call: ArmCall): Promise<ContainerGroup>;
  /** With the instance view. */
  get(name: string, call: ArmCall): Promise<ContainerGroup>;
  /** All pages, without instance views. */
  list(call: ArmCall): Promise<readonly ContainerGroup[]>;
  /** Resolves when it is accepted. NotFound when there was none (204). */
  remove(name: string, call: ArmCall): Promise<void>;
  /** Ends all containers, keeps the group. Resolves when it is accepted. */
  stop(name: string, call: ArmCall): Promise<void>;
  /** Starts a stopped group anew. Resolves when it is accepted. */
  start(name: string, call: ArmCall): Promise<void>;
  /** Restarts all containers, their images pulled again. Resolves when it is accepted. */
  restart(name: string, call: ArmCall): Promise<void>;
  /** In place of the tags that it has. */
  updateTags(name: string, tags: Tags, call: ArmCall): Promise<ContainerGroup>;

  /** The log of the present run, as far as the cloud keeps it; with `tail` so many lines of its end. */
  listLogs(
    name: string,
    container: string,
    options: { readonly tail?: number | undefined; readonly timestamps?: boolean | undefined },
    call: ArmCall,
  ): Promise<string>;
  /** Starts one program, without arguments, in a terminal. The signal closes it. */
  exec(
    name: string,
    container: string,
    options: { readonly command: string; readonly rows?: number | undefined; readonly cols?: number | undefined },
    call: ArmCall,
  ): Promise<SocketTerminal>;
  /** Output of the container's own process from now on; input is not carried. */
  attach(name: string, container: string, call: ArmCall): Promise<SocketTerminal>;

  /** Undefined: there is none. */
  getSubnet(ref: SubnetRef, call: ArmCall): Promise<Subnet | undefined>;
  /** Resolves when it is accepted. */
  createOrUpdateSubnet(ref: SubnetRef, subnet: Subnet, call: ArmCall): Promise<Subnet>;

  capabilities(location: string, call: ArmCall): Promise<readonly RegionCapabilities[]>;
  usage(location: string, call: ArmCall): Promise<readonly Usage[]>;
  /** Averages of whole minutes since `from` (epoch milliseconds), by container where the metric has that. */
  metrics(
    name: string,
    options: { readonly names: readonly string[]; readonly from: number; readonly byContainer?: boolean | undefined },
    call: ArmCall,
  ): Promise<readonly MetricSeries[]>;
  /** Whether the resource group is there and can be read: the cheapest call. */
  ping(call: ArmCall): Promise<void>;
  /** What these credentials may do in the resource group. */
  permissions(call: ArmCall): Promise<readonly Permission[]>;

  /** A token of this identity for registries of the vendor alone, which trade it for their own. */
  registryToken(signal: AbortSignal): Promise<string>;

  /** Calls made since the start by operation: `get`, `list` ... */
  readonly counts: Readonly<Record<string, number>>;
}
