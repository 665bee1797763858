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
  type Logger,
  type NodeReport,
  type Pod,
  type PodFailure,
  type PodRequest,
  type PodStats,
  type ProbeType,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import {
  type CloudBackend,
  type CloudGroup,
  type CreateNote,
  type GroupContainer,
  type GroupRef,
  ownerTags,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import { attach } from "./aci-attach.ts";
import { exec, runQuietly } from "./aci-exec.ts";
import { readLogs } from "./aci-logs.ts";
import { watchNode } from "./aci-node.ts";
import { AciStats } from "./aci-stats.ts";
import { admitPod } from "./admission.ts";
import type { AciClient } from "./arm-client.ts";
import { billedSize } from "./billed-size.ts";
import type { AciConfig } from "./config.ts";
import { restartContainer, terminateContainer } from "./container-ends.ts";
import { EndedLogs } from "./ended-logs.ts";
import { helperContainer } from "./files-helper.ts";
import { groupReport, type ReportOptions } from "./group-report.ts";
import type { ImageProcesses } from "./images/image-processes.ts";
import { proxyKubeconfig } from "./kube-proxy.ts";
import { nativeProbes } from "./probes.ts";
import { openerContainer } from "./sidecars.ts";
import { createdTag, isStoppedByUs, stopTags, tagOptions } from "./tags.ts";
import { translateGroup } from "./translate.ts";
import { updateVolumes } from "./volume-updates.ts";
import type { ContainerGroup, Tags } from "./wire.ts";

export interface AciBackendOptions {
  readonly client: AciClient;
  readonly config: AciConfig;
  readonly node: string;
  readonly cluster: string;
  readonly clusterDomain: string;
  /** "linux" or "windows". */
  readonly operatingSystem: string;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: nobody is asked what images run. */
  readonly images?: ImageProcesses | undefined;
  /** Milliseconds between two looks at a log that is followed; default 2000. */
  readonly followEveryMs?: number | undefined;
}

/** No pod's. */
const ownContainers: ReadonlySet<string> = new Set([helperContainer, openerContainer]);
/** Parts of a request that failed and may have succeeded, at most. */
const mostUncertain = 10_000;

export class AciBackend implements CloudBackend {
  readonly type = "aci";
  readonly describeAtOnce = 1;
  readonly honoursGrace = false;
  readonly #options: AciBackendOptions;
  /** UIDs of pods whose creation has an outcome that is not known. */
  readonly #uncertain = new Set<string>();
  readonly #stats: AciStats;
  readonly #ended: EndedLogs;

  constructor(options: AciBackendOptions) {
    this.#options = options;
    const { client, clock, config, log } = options;
    this.#ended = new EndedLogs({ client, log });
    this.#stats = new AciStats({ client, clock, realTime: config.realTimeMetrics });
  }

  admit({ pod }: PodRequest): void {
    admitPod(pod, this.#options);
  }

  billedSize(pod: Pod): BilledSize | undefined {
    return billedSize(pod, this.#options.config, this.#options.operatingSystem);
  }

  async create(
    request: PodRequest,
    context: CallContext,
  ): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }> {
    const { client, config, images } = this.#options;
    const { kubeProxy } = config.network;
    const kubeconfig = kubeProxy === undefined ? undefined : await proxyKubeconfig(kubeProxy);
    const resolved = images === undefined ? request.resolved : await images.filled(request, context);
    const whole = { ...request, ...(resolved !== undefined && { resolved }) };
    const { name, group, notes } = translateGroup(whole, { ...this.#options, extras: { kubeconfig } });
    const { uid } = request.owner;
    const id = client.groupId(name);
    // To write what is there already would restart its containers.
    if (this.#uncertain.has(uid) && (await this.#get(name, context)) !== undefined) {
      this.#uncertain.delete(uid);
      return { id, notes };
    }
    try {
      const tags = { ...group.tags, ...createdTag(this.#options.clock.now()) };
      const made = await client.createOrUpdate(name, { ...group, tags }, { ...context, urgency: "now" });
      this.#uncertain.delete(uid);
      return { id: made.id ?? id, notes };
    } catch (error) {
      if (isErrorKind(error, "Unavailable", "Aborted", "Internal") && this.#uncertain.size < mostUncertain)
        this.#uncertain.add(uid);
      throw asImageError(error, request);
    }
  }

  async list(context: CallContext): Promise<readonly CloudGroup[]> {
    const groups = await this.#options.client.list({ ...context, urgency: "soon" });
    return groups.flatMap((group) => groupReport(group, this.#report()) ?? []);
  }

  async describe(refs: readonly GroupRef[], context: CallContext): Promise<readonly (CloudGroup | undefined)[]> {
    return Promise.all(
      refs.map(async (ref) => {
        const group = await this.#get(nameOf(ref), context);
        if (group === undefined) return undefined;
        const report = groupReport(group, { ...this.#report(), known: ref.owner });
        if (report !== undefined) this.#ended.seen(report, nameOf(ref));
        return report;
      }),
    );
  }

  async remove(ref: GroupRef, _options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void> {
    await this.#options.client.remove(nameOf(ref), { ...context, urgency: "now" });
    this.#uncertain.delete(ref.owner.uid);
  }

  /** Why stands in its tags, before it is stopped. */
  async stop(
    ref: GroupRef,
    { failure }: { readonly failure?: PodFailure | undefined },
    context: CallContext,
  ): Promise<void> {
    const { client } = this.#options;
    const name = nameOf(ref);
    const call = { ...context, urgency: "now" } as const;
    const { tags = {}, properties } = await client.get(name, call);
    if (!isStoppedByUs(tags) || failure !== undefined)
      await client.updateTags(name, { ...tags, ...stopTags(failure) }, call);
    if (properties.instanceView?.state !== "Stopped") await client.stop(name, call);
  }

  /** Groups of the Go provider get an owner's tags with the first change. */
  async updateMetadata(ref: GroupRef, { owner, revision }: PodRequest, context: CallContext): Promise<void> {
    const { client } = this.#options;
    const name = nameOf(ref);
    const { tags = {} } = await client.get(name, context);
    const ours = ownerTags(owner, revision, tagOptions);
    await client.updateTags(name, { ...withoutCase(tags, ours), ...ours }, context);
  }

  nativeProbes(container: Container): readonly ProbeType[] {
    const { subnet, publicIP } = this.#options.config.network;
    return nativeProbes(container, { network: subnet !== undefined, publicIP });
  }

  watchNode(context: CallContext): AsyncIterable<NodeReport> {
    const { client, config, clock } = this.#options;
    return watchNode(client, config, clock, context);
  }

  ping(context: CallContext): Promise<void> {
    return this.#options.client.ping({ ...context, urgency: "later" });
  }

  exec(target: GroupContainer, command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult> {
    return exec(this.#options, target, nameOf(target.group), command, io, context);
  }

  terminate(target: GroupContainer, context: CallContext): Promise<void> {
    return terminateContainer({ run: this.#run }, target, context);
  }

  restartContainer(target: GroupContainer, context: CallContext): Promise<void> {
    const { client, clock } = this.#options;
    return restartContainer({ client, clock, run: this.#run }, target, nameOf(target.group), context);
  }

  /** Volumes that the helper brought; Unsupported names the others, which stay as they are. */
  async updateVolumes(
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void> {
    const name = nameOf(group);
    const now = await this.#options.client.get(name, context);
    await updateVolumes(now, request, volumes, (container, command, input) =>
      runQuietly(this.#options, { group, container }, name, command, context, input),
    );
  }

  logs(
    { group, container }: GroupContainer,
    options: ContainerLogOptions,
    context: CallContext,
  ): Promise<ContainerLogs> {
    const { client, clock, followEveryMs = 2_000 } = this.#options;
    return readLogs(
      { client, clock, followEveryMs, ended: this.#ended },
      { group, container },
      nameOf(group),
      options,
      context,
    );
  }

  attach({ group, container }: GroupContainer, io: ContainerIO, context: CallContext): Promise<void> {
    return attach(this.#options.client, { group, container }, nameOf(group), io, context);
  }

  stats(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>> {
    return this.#stats.of(groups, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { client, images } = this.#options;
    await this.#ended[Symbol.asyncDispose]();
    await Promise.all([client[Symbol.asyncDispose](), images?.[Symbol.asyncDispose]()]);
  }

  readonly #run = (target: GroupContainer, command: readonly string[], context: CallContext): Promise<number> =>
    runQuietly(this.#options, target, nameOf(target.group), command, context);

  async #get(name: string, context: CallContext): Promise<ContainerGroup | undefined> {
    try {
      return await this.#options.client.get(name, context);
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #report(): ReportOptions {
    const { node, cluster, config, clock } = this.#options;
    const { adoptGoGroups } = config;
    return { node, cluster, adoptGoGroups, hidden: ownContainers, now: clock.now() };
  }
}

/** The last part of a resource id. */
export function nameOf({ id }: GroupRef): string {
  const name = id.slice(id.lastIndexOf("/") + 1);
  if (name === "") throw new VirtualKubeletError("Internal", `"${id}" is no id of a container group`);
  return name;
}

/** Without those that another will replace, in whatever case the cloud gave them back. */
function withoutCase(tags: Tags, others: Tags): Tags {
  const keys = new Set(Object.keys(others).map((key) => key.toLowerCase()));
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.has(key.toLowerCase())));
}

/** That an image cannot be had is told of its container, in the kubelet's word. */
function asImageError(thrown: unknown, { pod: { spec } }: PodRequest): unknown {
  const error = VirtualKubeletError.from(thrown);
  if (!/^(InaccessibleImage|RegistryErrorResponse|ImagePull)/.test(error.reason ?? "")) return thrown;
  const fields = (["containers", "initContainers"] as const).flatMap((list) =>
    (spec?.[list] ?? []).flatMap(({ image = "" }, index) =>
      image !== "" && error.message.includes(image) ? [`spec.${list}[${index}].image`] : [],
    ),
  );
  return new VirtualKubeletError(error.kind, error.message, {
    ...{ cause: error.cause, httpStatus: error.httpStatus, retryAfterMs: error.retryAfterMs },
    ...{ reason: "ErrImagePull", field: fields[0] },
  });
}
