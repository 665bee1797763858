// Container groups as the core's cloud providers want them: few calls, each idempotent.
import {
  type BilledSize,
  type CallContext,
  type Clock,
  type Container,
  type ContainerIO,
  type ContainerLogOptions,
  type ContainerLogs,
  type ExecResult,
  isErrorKind,
  type NodeReport,
  type Pod,
  type PodRequest,
  type PodStats,
  type ProbeType,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type {
  CloudBackend,
  CloudGroup,
  CreateNote,
  GroupContainer,
  GroupRef,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import { admittedNotes } from "./admission.ts";
import { billedSize } from "./billed-size.ts";
import type { EciConfig } from "./config.ts";
import type { EciClient } from "./eci-client.ts";
import { exec, restartContainer, runQuietly } from "./eci-exec.ts";
import { readLogs } from "./eci-logs.ts";
import { nodeReport } from "./eci-node.ts";
import { EciStats } from "./eci-stats.ts";
import { groupReport, type ReportOptions } from "./group-report.ts";
import { nativeProbes } from "./probes.ts";
import { statusChanges } from "./status-watch.ts";
import { goNodeTags, nodeTags, podTags } from "./tags.ts";
import { hiddenContainers, removalToken, translateGroup } from "./translate.ts";
import { updateVolumes } from "./volume-updates.ts";
import type { ContainerGroup } from "./wire-answers.ts";

export interface EciBackendOptions {
  readonly client: EciClient;
  readonly config: EciConfig;
  readonly node: string;
  readonly cluster: string;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
  readonly clock: Clock;
  /** Milliseconds between two looks at a log that is followed; default 2000. */
  readonly followEveryMs?: number | undefined;
  /** Milliseconds between two looks at what changed; default 5000. */
  readonly watchEveryMs?: number | undefined;
}

/** Creations with an outcome that is not known, at most. */
const mostUncertain = 10_000;

export class EciBackend implements CloudBackend {
  readonly type = "eci";
  readonly describeAtOnce = 20;
  readonly honoursGrace = true;
  readonly nativeHooks = true;
  readonly #options: EciBackendOptions;
  readonly #stats: EciStats;
  /** UIDs of pods whose creation has an outcome that is not known. */
  readonly #uncertain = new Set<string>();

  constructor(options: EciBackendOptions) {
    this.#options = options;
    this.#stats = new EciStats(options);
  }

  admit({ pod }: PodRequest): void {
    admittedNotes(pod, this.#options.config);
  }

  billedSize(pod: Pod): BilledSize | undefined {
    return billedSize(pod, this.#options.config);
  }

  async create(
    request: PodRequest,
    context: CallContext,
  ): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }> {
    const { client } = this.#options;
    const { uid } = request.owner;
    const { request: group, notes } = translateGroup(request, this.#options);
    const before = this.#uncertain.has(uid) ? await this.#found(request, context) : undefined;
    if (before !== undefined) {
      this.#uncertain.delete(uid);
      return { id: before, notes };
    }
    try {
      const id = await client.create(group, { ...context, urgency: "now" });
      this.#uncertain.delete(uid);
      return { id, notes };
    } catch (error) {
      if (isErrorKind(error, "Unavailable", "Aborted", "Internal") && this.#uncertain.size < mostUncertain)
        this.#uncertain.add(uid);
      // Made by an earlier try, from what the pod was then.
      const made = isErrorKind(error, "Conflict") ? await this.#found(request, context) : undefined;
      if (made === undefined) throw error;
      return { id: made, notes };
    }
  }

  async list(context: CallContext): Promise<readonly CloudGroup[]> {
    const { client, config } = this.#options;
    const lists = [nodeTags(this.#options), ...(config.adoptGoGroups ? [goNodeTags(this.#options)] : [])];
    const found = await Promise.all(lists.map((tags) => client.describe({ tags }, context)));
    const byId = new Map(found.flat().map((group) => [group.ContainerGroupId, group]));
    return [...byId.values()].flatMap((group) => groupReport(group, this.#report()) ?? []);
  }

  async describe(refs: readonly GroupRef[], context: CallContext): Promise<readonly (CloudGroup | undefined)[]> {
    const found = await this.#options.client.describe({ ids: refs.map(({ id }) => id) }, context);
    const byId = new Map(found.map((group) => [group.ContainerGroupId, group]));
    const [first] = refs;
    if (found.length === 0 && first !== undefined) await this.#mustBeGone(first, context);
    return refs.map(({ id, owner }) => {
      const group = byId.get(id);
      return group === undefined ? undefined : groupReport(group, { ...this.#report(), known: owner });
    });
  }

  async remove(ref: GroupRef, _options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void> {
    const call = { ...context, urgency: "now" } as const;
    await this.#options.client.remove(ref.id, { clientToken: removalToken(ref.id) }, call);
    this.#uncertain.delete(ref.owner.uid);
  }

  restartContainer(target: GroupContainer, context: CallContext): Promise<void> {
    return restartContainer(this.#options, target, context);
  }

  updateVolumes(
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void> {
    return updateVolumes(group, request, volumes, this.#options.config, (container, command, input) =>
      runQuietly(this.#options, { group, container }, command, context, input),
    );
  }

  nativeProbes(container: Container): readonly ProbeType[] {
    return nativeProbes(container);
  }

  exec(target: GroupContainer, command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult> {
    return exec(this.#options, target, command, io, context);
  }

  logs(target: GroupContainer, options: ContainerLogOptions, context: CallContext): Promise<ContainerLogs> {
    const { client, clock, followEveryMs = 2_000 } = this.#options;
    return readLogs({ client, clock, followEveryMs }, target, options, context);
  }

  stats(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>> {
    return this.#stats.of(groups, context);
  }

  async *watchNode({ signal }: CallContext): AsyncGenerator<NodeReport> {
    yield nodeReport(this.#options.config);
    // Nothing more is to be told; to end would mean that it is to be asked again.
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }

  ping(context: CallContext): Promise<void> {
    return this.#options.client.ping({ ...context, urgency: "now" });
  }

  watch(context: CallContext): AsyncIterable<{ readonly id: string }> {
    const { client, clock, watchEveryMs } = this.#options;
    return statusChanges({ client, clock, tags: nodeTags(this.#options), everyMs: watchEveryMs }, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.client[Symbol.asyncDispose]();
  }

  /** What was made for the pod. */
  async #found({ owner }: PodRequest, context: CallContext): Promise<string | undefined> {
    const groups = await this.#options.client.describe({ tags: podTags(owner) }, { ...context, urgency: "now" });
    return groups.find(isAlive)?.ContainerGroupId ?? groups[0]?.ContainerGroupId;
  }

  /**
   * Who lacks the right to look is shown nothing, as if there were nothing. That a group is gone is believed where another call says so.
   */
  async #mustBeGone({ id }: GroupRef, context: CallContext): Promise<void> {
    const { client } = this.#options;
    try {
      await client.log(id, "virtual-kubelet", { tail: 1 }, context);
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return;
      // Of a group that is there it is said that it has no such container, or is not so far.
      if (!isErrorKind(error, "Invalid", "Conflict")) throw error;
    }
    throw new VirtualKubeletError(
      "Unavailable",
      `DescribeContainerGroups does not show ${id}, and DescribeContainerLog knows it: is the right eci:DescribeContainerGroups missing?`,
    );
  }

  #report(): ReportOptions {
    const { node, cluster, config } = this.#options;
    return { node, cluster, adoptGoGroups: config.adoptGoGroups, hidden: hiddenContainers };
  }
}

function isAlive({ Status }: ContainerGroup): boolean {
  return !["Terminating", "Succeeded", "Failed", "Expired", "ScheduleFailed"].includes(Status);
}
