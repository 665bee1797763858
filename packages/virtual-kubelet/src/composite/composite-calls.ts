// The optional methods of a composite: those that at least one member has, passed on to the member that has the pod.
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { NodeReport, ProbeMetrics } from "../provider/node.ts";
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
import { combinedNode, combinedProbes, combinedStats } from "./combine.ts";
import type { Member } from "./member.ts";

export interface CompositeCallsOptions {
  readonly members: readonly Member[];
  readonly clock: Clock;
  readonly node: string;
  readonly find: (owner: PodOwner, context: CallContext) => Promise<Member>;
  /** For calls that end the pod: it stays with its member from then on. */
  readonly end: (owner: PodOwner, context: CallContext, work: (provider: Provider) => Promise<void>) => Promise<void>;
  /** Called when what is said of the node changed for reasons of the composite's own. */
  readonly nodeChanges: Set<() => void>;
}

type Method = "getContainerLogs" | "runInContainer" | "attachToContainer" | "portForward";

export function compositeCalls({
  members,
  clock,
  node,
  find,
  end,
  nodeChanges,
}: CompositeCallsOptions): Partial<Provider> {
  const startTime = new Date(clock.now()).toISOString();
  const some = (method: keyof Provider): boolean => members.some(({ provider }) => provider[method] !== undefined);
  const every = (method: keyof Provider): boolean => members.every(({ provider }) => provider[method] !== undefined);

  const lacks = (name: string, method: Method): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `the pod runs on ${name}, which has no ${method}`);

  async function* watchNode({ signal, log }: CallContext): AsyncGenerator<NodeReport> {
    let wake = (): void => {};
    const changed = (): void => wake();
    nodeChanges.add(changed);
    const ending = new AbortController();
    const context = { signal: AbortSignal.any([signal, ending.signal]), log };
    const faults: unknown[] = [];
    const followed = members.map(async (member) => {
      const { provider } = member;
      if (provider.watchNode === undefined) return;
      for await (const report of provider.watchNode(context)) {
        member.node = report;
        changed();
      }
    });
    for (const each of followed)
      each.catch((error: unknown) => {
        faults.push(error);
        changed();
      });
    try {
      while (!signal.aborted) {
        const next = Promise.withResolvers<void>();
        wake = next.resolve;
        signal.addEventListener("abort", wake, { once: true });
        if (faults.length > 0) throw faults[0];
        // Before the first word of each there is no sum.
        if (members.every(({ provider, node: report }) => provider.watchNode === undefined || report !== undefined))
          yield combinedNode(members.map(({ name, node: report, barred }) => ({ name, report, barred })));
        await next.promise;
        signal.removeEventListener("abort", wake);
      }
    } finally {
      nodeChanges.delete(changed);
      ending.abort();
    }
  }

  return {
    watchNode,
    ...(every("stopPod") && {
      stopPod: async (
        owner: PodOwner,
        options: { readonly gracePeriodSeconds: number; readonly failure?: PodFailure | undefined },
        context: CallContext,
      ): Promise<void> => {
        await end(owner, context, async (provider) => provider.stopPod?.(owner, options, context));
      },
    }),
    ...(some("updateVolumes") && {
      updateVolumes: async (
        owner: PodOwner,
        volumes: readonly ResolvedVolume[],
        context: CallContext,
      ): Promise<void> => {
        const { provider } = await find(owner, context);
        await provider.updateVolumes?.(owner, volumes, context);
      },
    }),
    ...(some("getContainerLogs") && {
      getContainerLogs: async (
        target: ContainerTarget,
        options: ContainerLogOptions,
        context: CallContext,
      ): Promise<ContainerLogs> => {
        const { name, provider } = await find(target.owner, context);
        if (provider.getContainerLogs === undefined) throw lacks(name, "getContainerLogs");
        return provider.getContainerLogs(target, options, context);
      },
    }),
    ...(some("runInContainer") && {
      runInContainer: async (
        target: ContainerTarget,
        command: readonly string[],
        io: ContainerIO,
        context: CallContext,
      ): Promise<ExecResult> => {
        const { name, provider } = await find(target.owner, context);
        if (provider.runInContainer === undefined) throw lacks(name, "runInContainer");
        return provider.runInContainer(target, command, io, context);
      },
    }),
    ...(some("attachToContainer") && {
      attachToContainer: async (target: ContainerTarget, io: ContainerIO, context: CallContext): Promise<void> => {
        const { name, provider } = await find(target.owner, context);
        if (provider.attachToContainer === undefined) throw lacks(name, "attachToContainer");
        return provider.attachToContainer(target, io, context);
      },
    }),
    ...(every("portForward") && {
      portForward: async (target: PodTarget, port: number, connection: Duplex, context: CallContext): Promise<void> => {
        const { name, provider } = await find(target.owner, context);
        if (provider.portForward === undefined) throw lacks(name, "portForward");
        return provider.portForward(target, port, connection, context);
      },
    }),
    ...(some("getStatsSummary") && {
      getStatsSummary: async (context: CallContext): Promise<StatsSummary> => {
        const all = await Promise.allSettled(members.map(async ({ provider }) => provider.getStatsSummary?.(context)));
        context.signal.throwIfAborted();
        const found = all.flatMap((each) =>
          each.status === "fulfilled" && each.value !== undefined ? [each.value] : [],
        );
        const fault = all.find((each) => each.status === "rejected");
        // One that says nothing hides nobody else's figures.
        if (found.length === 0 && fault !== undefined) throw fault.reason;
        return combinedStats({ nodeName: node, startTime }, found);
      },
    }),
    ...(some("getProbeMetrics") && {
      getProbeMetrics: (): ProbeMetrics =>
        combinedProbes(members.flatMap(({ provider }) => provider.getProbeMetrics?.() ?? [])),
    }),
    ...(some("ping") && {
      ping: async (context: CallContext): Promise<void> => {
        context.signal.throwIfAborted();
        const all = members.map((member) => member.judged(async () => member.provider.ping?.(context), "ping"));
        const answers = await Promise.allSettled(all);
        const fault = answers.find((answer) => answer.status === "rejected");
        if (fault !== undefined && answers.every((answer) => answer.status === "rejected")) throw fault.reason;
      },
    }),
  };
}
