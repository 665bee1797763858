// Control groups, figures and limits of one node's pods, for its runtime: the one place that knows how the engine's host counts.
import { readFileSync } from "node:fs";
import { release, uptime } from "node:os";
import {
  type CallContext,
  type Clock,
  type ContainerStats,
  type Logger,
  type NodeReport,
  parseQuantity,
  pause,
  type ResourceRequirements,
  type RuntimeStats,
  type SandboxSpec,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import {
  type CgroupMounts,
  CpuRates,
  cgroupMounts,
  findCgroups,
  fsStats,
  hostStats,
  StorageMeter,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "../config.ts";
import type { ContainerDetails, EngineClient, EngineInfo } from "../engine/engine-client.ts";
import { changeLimits } from "./change-limits.ts";
import { type ContainerPlace, placeOf } from "./container-place.ts";
import { containerUsage } from "./container-usage.ts";
import { KernelLog } from "./kernel-log.ts";
import type { LimitHost } from "./limits.ts";
import type { MeasuredPod } from "./measured-pod.ts";
import { nodeLimits, nodeNow } from "./node-now.ts";
import { lowestOomScoreAdj } from "./oom-floor.ts";
import { OomWatch } from "./oom-watch.ts";
import { PodGroups } from "./pod-groups.ts";
import { podUsage } from "./pod-usage.ts";

export interface FiguresOptions {
  readonly node: string;
  readonly client: EngineClient;
  readonly config: Pick<ContainersConfig, "capacity" | "cgroupParent" | "podPidsLimit" | "pressure" | "reserved">;
  /** Of this node: `<config.stateDirectory>/<node>`; is there. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between two looks at what the host has left. */
const nodeIntervalMs = 10_000;
/** Under pressure: before another pod is evicted, what the end of one has freed is to be seen. */
const pressedIntervalMs = 2000;

export class Figures {
  readonly #options: FiguresOptions;
  readonly #engine: EngineInfo;
  /** Is the engine on this host, so that its processes are in our /proc? */
  readonly #local: boolean;
  readonly #mounts: CgroupMounts;
  readonly #groups: PodGroups;
  readonly #kernelLog: KernelLog | undefined;
  readonly #ooms: OomWatch;
  readonly #rates: CpuRates = new CpuRates();
  readonly #storage: StorageMeter;
  /** By container id: they do not move while they run. */
  #places = new Map<string, ContainerPlace>();
  #diskIsShort = false;
  /** For limitsOf and infraLimits. */
  readonly limitHost: LimitHost;
  /** Can limits of running containers be changed? Only then has the runtime `updateResources`. */
  readonly canResize: boolean;

  private constructor(options: FiguresOptions, engine: EngineInfo) {
    this.#options = options;
    this.#engine = engine;
    this.#local = options.client.address.type === "unix" && engine.kernelVersion === release();
    this.#mounts = cgroupMounts(this.#local ? readFileSync("/proc/self/mountinfo", "utf8") : "");
    const { cgroupParent, podPidsLimit, reserved } = options.config;
    // Where systemd has the groups, what others make in them does not last.
    const own = this.#local && engine.cgroupDriver === "cgroupfs" && !engine.rootless;
    this.#groups = new PodGroups({
      host: own ? findCgroups() : undefined,
      parent: `${cgroupParent.replace(/^\/+/, "")}/${options.node}`,
      pidsLimit: podPidsLimit,
    });
    const report = this.#nodeReport();
    const memory = report.capacity?.["memory"] ?? "0";
    this.limitHost = {
      memoryBytes: Number(wholeUnits(parseQuantity(memory))),
      lowestOomScoreAdj: lowestOomScoreAdj(engine, this.#local),
      ...(podPidsLimit > 0 && !this.#groups.available && { containerPids: podPidsLimit }),
    };
    this.canResize = engine.flavour === "docker" || atLeast(engine.version, 4, 3) || this.#groups.available;
    this.#kernelLog = this.#local ? KernelLog.open(options.clock.now() - uptime() * 1000) : undefined;
    this.#ooms = new OomWatch(() => this.#kernelLog?.kills() ?? []);
    this.#storage = new StorageMeter({ clock: options.clock, log: options.log });
    if (Object.keys(reserved).length > 0) this.#groups.limitNode(nodeLimits(report, reserved));
  }

  static async open(options: FiguresOptions, { signal }: CallContext): Promise<Figures> {
    return new Figures(options, await options.client.info({ signal }));
  }

  /**
   * Makes the pod's control group with the limits of the whole pod, where there may be one: the CgroupParent of its
   * containers; undefined: the engine's own. Idempotent: to be asked before each create, a reboot or a resize may lie between.
   */
  makePodGroup(pod: Pick<SandboxSpec, "owner" | "resources">): string | undefined {
    return this.#groups.make(pod);
  }

  /** Once its containers are gone. No error when it is gone. */
  removePodGroup(podUid: string): void {
    this.#groups.remove(podUid);
  }

  /** Removes groups of pods that are not known: of what was removed while nobody looked. */
  sweepPodGroups(knownUids: ReadonlySet<string>): void {
    this.#groups.sweep(knownUids);
  }

  /**
   * To be asked at every inspection of a container of ours, whether it runs or has ended: remembers what is needed, and tells
   * why one has ended where the host knows more than the engine.
   */
  endReason(details: ContainerDetails): "OOMKilled" | undefined {
    return this.#ooms.hasKilled(details) ? "OOMKilled" : undefined;
  }

  /** Of a running container, and of its pod. Throws NotFound, Unavailable (memory below what is in use), Unsupported. */
  async updateResources(
    podUid: string,
    details: ContainerDetails,
    resources: ResourceRequirements,
    pod: ResourceRequirements,
    { signal }: CallContext,
  ): Promise<void> {
    try {
      this.#groups.resize(podUid, pod);
    } catch {
      // Less than is in use: once the container has less, it will do.
    }
    await changeLimits(this.#options.client, details, this.#place(details)?.groups ?? [], resources, signal);
    this.#groups.resize(podUid, pod);
  }

  async stats(pods: readonly MeasuredPod[], { signal }: CallContext): Promise<RuntimeStats> {
    signal.throwIfAborted();
    const { clock, node, stateDirectory } = this.#options;
    const running = this.#placesOf(pods);
    this.#places = running;
    const layers = ({ containers }: MeasuredPod): readonly string[] =>
      containers.flatMap(({ details: { id } }) => running.get(id)?.layer ?? []);
    const measuring = this.#storage.refresh(
      pods.map((pod) => [...pod.volumes.map(({ path }) => path), ...layers(pod)]),
      this.#diskIsShort,
    );
    // By them is decided which pod is evicted for it.
    if (this.#diskIsShort) await measuring;
    const tools = {
      rates: this.#rates,
      storage: this.#storage,
      // As each is read: a machine that is busy may come to the next one much later.
      get now() {
        return clock.now();
      },
    };
    const containers = new Map<string, readonly ContainerStats[]>();
    const wholes = new Map<string, NonNullable<ReturnType<typeof podUsage>>>();
    for (const pod of pods) {
      const figures = pod.containers.flatMap(({ name, details }) => {
        const place = running.get(details.id);
        return place === undefined ? [] : (containerUsage(name, details, place, tools) ?? []);
      });
      containers.set(pod.uid, figures);
      const parts = { containers: figures, group: this.#groups.figures(pod.uid), directory: stateDirectory };
      wholes.set(pod.uid, podUsage(pod, parts, tools));
    }
    this.#rates.keep(new Set(["", ...running.keys(), ...pods.map(({ uid }) => `pod ${uid}`)]));
    return { node: this.#nodeStats(node, stateDirectory, clock.now()), containers, pods: wholes };
  }

  async *watchNode({ signal }: CallContext): AsyncGenerator<NodeReport> {
    for (let shown = ""; !signal.aborted; ) {
      // The kernel's log is short: nothing is missed that somebody asks for later.
      this.#kernelLog?.kills();
      const report = this.#nodeReport();
      const pressures = (report.conditions ?? []).flatMap(({ type, status }) => (status === "True" ? [type] : []));
      this.#diskIsShort = pressures.includes("DiskPressure");
      const text = JSON.stringify(report);
      if (text !== shown) yield report;
      shown = text;
      await pause(this.#options.clock, pressures.length > 0 ? pressedIntervalMs : nodeIntervalMs, signal);
    }
  }

  async close(): Promise<void> {
    this.#kernelLog?.close();
    await this.#storage.close();
  }

  #placesOf(pods: readonly MeasuredPod[]): Map<string, ContainerPlace> {
    const found = new Map<string, ContainerPlace>();
    for (const { containers } of pods)
      for (const { details } of containers) {
        const place = this.#place(details);
        if (place !== undefined) found.set(details.id, place);
      }
    return found;
  }

  #place(details: ContainerDetails): ContainerPlace | undefined {
    return this.#places.get(details.id) ?? (this.#local ? placeOf(details, this.#mounts) : undefined);
  }

  #nodeReport(): NodeReport {
    return nodeNow(this.#engine, this.#options.config, this.#local ? this.#options.stateDirectory : undefined);
  }

  #nodeStats(node: string, directory: string, now: number): RuntimeStats["node"] {
    const time = new Date(now).toISOString();
    if (!this.#local) return { nodeName: node, startTime: time };
    const stats = hostStats(node, directory, now);
    const { rootDirectory } = this.#engine;
    return {
      ...stats,
      cpu: this.#rates.of("", stats.cpu?.usageCoreNanoSeconds ?? 0, now),
      ...(rootDirectory !== "" && {
        runtime: { imageFs: fsStats(rootDirectory, time), containerFs: fsStats(rootDirectory, time) },
      }),
    };
  }
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [ours = 0, theirs = 0] = version.split(".").map(Number);
  return ours > major || (ours === major && theirs >= minor);
}
