// What the provider asks of Elastic Container Instance, in one region. Types and docs only.
import type { CallContext } from "@virtual-kubelet/virtual-kubelet";
import type { SocketTerminal, Urgency } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { CreateContainerGroupRequest, Tag } from "./wire.ts";
import type { ContainerGroup, GroupMetrics, GroupStatusChange, Usage } from "./wire-answers.ts";

export interface EciCall extends CallContext {
  /** How it is ordered among those that wait for the budget; default "soon". */
  readonly urgency?: Urgency | undefined;
}

/** Which groups: all that hold; none given: all of the region. */
export interface GroupFilter {
  readonly ids?: readonly string[] | undefined;
  readonly tags?: readonly Tag[] | undefined;
}

/**
 * Throws VirtualKubeletError: NotFound (the group is not there), Conflict (its status forbids it now), Invalid (parameters refused for good),
 * Quota (quota or stock), Throttled, Unauthorized (keys or token refused), Forbidden, Unavailable (5xx, network: outcome unknown), Aborted.
 * `reason` is the cloud's error code in all of them. Calls wait for the budget.
 */
export interface EciClient extends AsyncDisposable {
  readonly region: string;

  /** Its id, once the cloud has accepted it. With the same ClientToken: the same. */
  create(request: CreateContainerGroupRequest, call: EciCall): Promise<string>;
  /** With what happened to them. All pages; groups that are gone are left out. At most 20 ids. */
  describe(filter: GroupFilter, call: EciCall): Promise<readonly ContainerGroup[]>;
  /** Groups whose status changed in so many seconds before now, all pages. */
  statusSince(filter: GroupFilter, sinceSeconds: number, call: EciCall): Promise<readonly GroupStatusChange[]>;
  /** Resolves when it is accepted. NotFound: there is none. */
  remove(id: string, options: { readonly clientToken: string }, call: EciCall): Promise<void>;
  /** What the cloud keeps of the container's log. */
  log(
    id: string,
    container: string,
    options: {
      readonly tail?: number | undefined;
      readonly sinceSeconds?: number | undefined;
      /** RFC 3339. */
      readonly startTime?: string | undefined;
      readonly limitBytes?: number | undefined;
      readonly timestamps?: boolean | undefined;
      /** Of the run before the present one. */
      readonly previous?: boolean | undefined;
    },
    call: EciCall,
  ): Promise<string>;
  /** Starts a command; its socket. The signal closes it. */
  exec(
    id: string,
    container: string,
    options: { readonly command: readonly string[]; readonly stdin: boolean; readonly tty: boolean },
    call: EciCall,
  ): Promise<SocketTerminal>;
  /** The newest figures of each; groups without are left out. At most 20 ids. */
  metrics(ids: readonly string[], call: EciCall): Promise<readonly GroupMetrics[]>;

  usage(call: EciCall): Promise<Usage>;
  /** Whether such a group would be accepted; throws what would be thrown. Nothing is made. */
  dryRun(request: CreateContainerGroupRequest, call: EciCall): Promise<void>;
  /** One group at most is asked for: the cheapest call. */
  ping(call: EciCall): Promise<void>;

  /** Calls made since the start by operation: `CreateContainerGroup`, ... */
  readonly counts: Readonly<Record<string, number>>;
}
