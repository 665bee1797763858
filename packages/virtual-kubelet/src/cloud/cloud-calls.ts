// The optional methods of a provider over a cloud: those that the cloud has, each handed the group that it is about.
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.ts";
import { isErrorKind } from "../errors.ts";
import type { Node, Pod } from "../kube/types.gen.ts";
import type { BilledSize } from "../provider/billing.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodFailure, PodOwner } from "../provider/pods.ts";
import type {
  ContainerIO,
  ContainerLogOptions,
  ContainerLogs,
  ContainerTarget,
  ExecResult,
  PodTarget,
} from "../provider/streams.ts";
import type { CallContext, Provider } from "../provider.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import type { StatsSummary } from "../stats-summary.ts";
import type { CloudBackend, CloudGroup, GroupContainer } from "./cloud-backend.ts";
import { cloudStats } from "./cloud-stats.ts";
import type { CreateBreaker } from "./create-breaker.ts";
import { type GroupEnding, type GroupEntry, notFound } from "./group-entry.ts";

export interface CloudCallsOptions {
  readonly backend: CloudBackend;
  readonly clock: Clock;
  readonly node: string;
  /** Throws NotFound where the cloud positively has none. */
  readonly find: (owner: PodOwner, context: CallContext) => Promise<GroupEntry>;
  readonly describe: (entry: GroupEntry, context: CallContext) => Promise<void>;
  readonly end: (entry: GroupEntry, ending: GroupEnding) => void;
  readonly entries: () => Iterable<GroupEntry>;
  readonly breaker: CreateBreaker;
}

export function cloudCalls(options: CloudCallsOptions): Partial<Provider> {
  const { backend, clock, node, find, entries } = options;
  const { exec, attach, logs, portForward, stats, stop, updateVolumes, ping, watchNode, configureNode, billedSize } =
    backend;
  const startTime = new Date(clock.now()).toISOString();

  async function groupOf(owner: PodOwner, context: CallContext): Promise<CloudGroup> {
    const entry = await find(owner, context);
    if (entry.group === undefined || entry.group.partial === true) await options.describe(entry, context);
    if (entry.group === undefined) throw notFound(owner);
    return entry.group;
  }

  async function containerOf({ owner, container }: ContainerTarget, context: CallContext): Promise<GroupContainer> {
    return { group: await groupOf(owner, context), container };
  }

  return {
    ...(stop !== undefined && {
      stopPod: async (
        owner: PodOwner,
        asked: { readonly gracePeriodSeconds: number; readonly failure?: PodFailure | undefined },
        context: CallContext,
      ): Promise<void> => {
        const entry = await find(owner, context);
        const deadline = clock.now() + asked.gracePeriodSeconds * 1000;
        options.end(entry, { why: "stopped", deadline, failure: asked.failure });
      },
    }),
    ...(updateVolumes !== undefined && {
      updateVolumes: async (
        owner: PodOwner,
        volumes: readonly ResolvedVolume[],
        context: CallContext,
      ): Promise<void> => {
        const { group, request } = await find(owner, context);
        if (group !== undefined && request !== undefined)
          await updateVolumes.call(backend, group, request, volumes, context);
      },
    }),
    ...(logs !== undefined && {
      getContainerLogs: async (
        target: ContainerTarget,
        asked: ContainerLogOptions,
        context: CallContext,
      ): Promise<ContainerLogs> => logs.call(backend, await containerOf(target, context), asked, context),
    }),
    ...(exec !== undefined && {
      runInContainer: async (
        target: ContainerTarget,
        command: readonly string[],
        io: ContainerIO,
        context: CallContext,
      ): Promise<ExecResult> => exec.call(backend, await containerOf(target, context), command, io, context),
    }),
    ...(attach !== undefined && {
      attachToContainer: async (target: ContainerTarget, io: ContainerIO, context: CallContext): Promise<void> =>
        attach.call(backend, await containerOf(target, context), io, context),
    }),
    ...(portForward !== undefined && {
      portForward: async (
        { owner }: PodTarget,
        port: number,
        connection: Duplex,
        context: CallContext,
      ): Promise<void> => portForward.call(backend, await groupOf(owner, context), port, connection, context),
    }),
    ...(stats !== undefined && {
      getStatsSummary: async (context: CallContext): Promise<StatsSummary> => {
        context.signal.throwIfAborted();
        const groups = [...entries()].flatMap(({ group }) => (group?.stage === "running" ? [group] : []));
        const found = groups.length === 0 ? new Map() : await stats.call(backend, groups, context);
        return cloudStats({ nodeName: node, startTime }, groups, found, clock.now());
      },
    }),
    ...(ping !== undefined && {
      ping: async (context: CallContext): Promise<void> => {
        context.signal.throwIfAborted();
        try {
          await ping.call(backend, context);
        } catch (error) {
          // Who asks for fewer calls is there.
          if (!isErrorKind(error, "Throttled")) throw error;
        }
      },
    }),
    ...(billedSize !== undefined && {
      billedSize: (pod: Pod): BilledSize | undefined => billedSize.call(backend, pod),
    }),
    watchNode: (context: CallContext): AsyncIterable<NodeReport> =>
      options.breaker.reports(watchNode && ((inner) => watchNode.call(backend, inner)), context),
    ...(configureNode !== undefined && {
      configureNode: async (given: Node): Promise<Node> => configureNode.call(backend, given),
    }),
  };
}
