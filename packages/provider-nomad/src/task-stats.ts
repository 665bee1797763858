// What containers use, as Nomad's clients measure it.
import { type CallContext, type ContainerStats, errorText, type PodStats } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadClient } from "./nomad-client.ts";
import { timeText } from "./task-report.ts";
import type { NomadTaskStats } from "./wire.ts";

/** Of one run of a container: Nomad tells rates, and who reads the figures wants a counter. */
interface Counter {
  readonly run: string;
  at: number;
  coreNanoseconds: number;
}

const atOnce = 8;

export class TaskStats {
  readonly #client: Pick<NomadClient, "allocationStats">;
  readonly #mhzPerCore: () => number;
  #counters = new Map<string, Counter>();

  /** `mhzPerCore`: what Kubernetes' cores are on this node, where Nomad tells MHz. */
  constructor(client: Pick<NomadClient, "allocationStats">, mhzPerCore: () => number) {
    this.#client = client;
    this.#mhzPerCore = mhzPerCore;
  }

  /** By UID; what cannot be had is left out. */
  async of(
    groups: readonly CloudGroup[],
    context: CallContext,
  ): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>> {
    const pods = new Map<string, Omit<PodStats, "podRef">>();
    const counters = new Map<string, Counter>();
    for (let next = 0; next < groups.length; next += atOnce)
      await Promise.all(
        groups.slice(next, next + atOnce).map(async (group) => {
          const stats = await this.#podStats(group, counters, context);
          if (stats !== undefined) pods.set(group.owner.uid, stats);
        }),
      );
    this.#counters = counters;
    return pods;
  }

  async #podStats(
    group: CloudGroup,
    counters: Map<string, Counter>,
    context: CallContext,
  ): Promise<Omit<PodStats, "podRef"> | undefined> {
    const allocation = group.annotations?.["backend.virtual-kubelet.io/nomad-allocation"];
    if (allocation === undefined) return undefined;
    try {
      const { Tasks } = await this.#client.allocationStats(allocation, context);
      const containers = group.containers.flatMap(({ name, state, containerID = "" }): readonly ContainerStats[] => {
        const task = Tasks[name];
        const { startedAt } = state.running ?? {};
        if (task === undefined || (task.ResourceUsage ?? undefined) === undefined || startedAt === undefined) return [];
        return [this.#containerStats(name, startedAt, containerID, task, counters)];
      });
      return containers.length === 0 ? undefined : { startTime: group.startTime ?? "", containers };
    } catch (error) {
      if (context.signal.aborted) throw error;
      context.log.debug({ err: errorText(error), pod: group.owner.name }, "no figures of a pod now");
      return undefined;
    }
  }

  #containerStats(
    name: string,
    startTime: string,
    run: string,
    { Timestamp, ResourceUsage }: NomadTaskStats,
    counters: Map<string, Counter>,
  ): ContainerStats {
    const { MemoryStats, CpuStats } = ResourceUsage ?? {};
    const time = timeText(Timestamp);
    // As many MHz as were asked for are a core, whatever the client's own have; else it is percent of one.
    const { TotalTicks = 0, Percent = 0 } = CpuStats ?? {};
    const cores = TotalTicks > 0 ? TotalTicks / this.#mhzPerCore() : Percent / 100;
    const usageNanoCores = Math.round(cores * 1_000_000_000);
    const known = this.#counters.get(run);
    const counter = { run, at: Timestamp, coreNanoseconds: known?.coreNanoseconds ?? 0 };
    const since = known?.at ?? Date.parse(startTime) * 1_000_000;
    counter.coreNanoseconds += Math.max(0, Math.round(((Timestamp - since) / 1_000_000_000) * usageNanoCores));
    counters.set(run, counter);
    const bytes = Math.max(MemoryStats?.RSS ?? 0, (MemoryStats?.Usage ?? 0) - (MemoryStats?.Cache ?? 0));
    return {
      ...{ name, startTime },
      // Before its second look Nomad's client tells zero: who reads the figures would take the pod for broken.
      ...((CpuStats ?? undefined) === undefined || counter.coreNanoseconds === 0
        ? {}
        : { cpu: { time, usageNanoCores, usageCoreNanoSeconds: counter.coreNanoseconds } }),
      ...((MemoryStats ?? undefined) === undefined || bytes === 0
        ? {}
        : {
            memory: {
              ...{ time, workingSetBytes: bytes, rssBytes: MemoryStats?.RSS ?? 0 },
              usageBytes: Math.max(bytes, MemoryStats?.Usage ?? 0),
            },
          }),
    };
  }
}
