// Clients of a fake Nomad, and which of them takes a group: by pool, data centre, drivers, constraints, volumes, devices, what is left.
import { randomUUID } from "node:crypto";
import type { NomadPlacementMetric } from "../../wire.ts";
import type { NomadNode } from "../../wire-node.ts";
import type { FakeState } from "./fake-state.ts";
import type { FakeGroup, FakeJob } from "./job-schema.ts";

export interface FakeNodeOptions {
  readonly name?: string | undefined;
  /** Healthy ones. Default docker, raw_exec and exec. */
  readonly drivers?: readonly string[] | undefined;
  readonly datacenter?: string | undefined;
  readonly nodePool?: string | undefined;
  /** MHz of all cores. */
  readonly mhz?: number | undefined;
  readonly cores?: number | undefined;
  readonly memoryMB?: number | undefined;
  readonly diskMB?: number | undefined;
  readonly hostVolumes?: readonly string[] | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly devices?: NonNullable<NonNullable<NomadNode["NodeResources"]>["Devices"]> | undefined;
}

export interface FakeNode extends NomadNode {
  readonly Address: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly hostVolumes: readonly string[];
}

/** What an allocation holds of a node. */
export interface Held {
  readonly node: string;
  readonly group: FakeGroup;
}

export class FakeNodes {
  readonly #state: FakeState;
  readonly #all = new Map<string, FakeNode>();

  constructor(state: FakeState) {
    this.#state = state;
  }

  get all(): readonly FakeNode[] {
    return [...this.#all.values()];
  }

  add(options: FakeNodeOptions = {}): FakeNode {
    const { drivers = ["docker", "raw_exec", "exec"], mhz = 96_000, cores = 40, memoryMB = 65_536 } = options;
    const node: FakeNode = {
      ...{ ID: randomUUID(), Name: options.name ?? `client-${this.#all.size + 1}`, Address: "127.0.0.1" },
      ...{ Datacenter: options.datacenter ?? "dc1", NodePool: options.nodePool ?? "default", NodeClass: "" },
      ...{ Status: "ready", SchedulingEligibility: "eligible", Drain: false, Version: "2.0.6-dev" },
      Drivers: Object.fromEntries(drivers.map((name) => [name, { Detected: true, Healthy: true }])),
      NodeResources: {
        Cpu: { CpuShares: mhz, TotalCpuCores: cores },
        Memory: { MemoryMB: memoryMB },
        Disk: { DiskMB: options.diskMB ?? 900_000 },
        Devices: options.devices ?? null,
      },
      ReservedResources: { Cpu: { CpuShares: 0 }, Memory: { MemoryMB: 0 }, Disk: { DiskMB: 0 } },
      attributes: { "kernel.name": "linux", "unique.network.ip-address": "127.0.0.1", ...options.attributes },
      hostVolumes: options.hostVolumes ?? [],
      ModifyIndex: this.#state.index + 1,
    };
    this.#set(node);
    return node;
  }

  change(id: string, change: Partial<Pick<NomadNode, "Status" | "SchedulingEligibility" | "Drain">>): void {
    const node = this.#all.get(id);
    if (node !== undefined) this.#set({ ...node, ...change, ModifyIndex: this.#state.index + 1 });
  }

  /** As the list of clients tells them. */
  views(withResources: boolean): readonly object[] {
    return this.all.map(({ attributes: _, hostVolumes: __, NodeResources, ReservedResources, ...stub }) => ({
      ...stub,
      ...(withResources ? { NodeResources, ReservedResources } : {}),
    }));
  }

  /** A node that takes it, or why none does. */
  place(job: FakeJob, group: FakeGroup, held: readonly Held[]): FakeNode | NomadPlacementMetric {
    const filtered: Record<string, number> = {};
    const exhausted: Record<string, number> = {};
    const count = (of: Record<string, number>, what: string): void => {
      of[what] = (of[what] ?? 0) + 1;
    };
    const able = this.all.filter(
      ({ Status, SchedulingEligibility, Drain, Datacenter, NodePool = "default" }) =>
        Status === "ready" &&
        SchedulingEligibility === "eligible" &&
        !Drain &&
        (job.NodePool === "all" || NodePool === (job.NodePool ?? "default")) &&
        (job.Datacenters ?? []).some((pattern) => isMatch(Datacenter, pattern)),
    );
    for (const node of able) {
      const unfit = unfitness(node, job, group);
      const want =
        unfit ??
        shortage(
          node,
          group,
          held.filter((each) => each.node === node.ID),
        );
      if (want === undefined) return node;
      count(unfit === undefined ? exhausted : filtered, want);
    }
    const sum = (of: Record<string, number>): number => Object.values(of).reduce((total, each) => total + each, 0);
    return {
      ...{ NodesEvaluated: able.length, NodesFiltered: sum(filtered), NodesExhausted: sum(exhausted) },
      ...{ ConstraintFiltered: filtered, DimensionExhausted: exhausted },
    };
  }

  #set(node: FakeNode): void {
    this.#all.set(node.ID, node);
    this.#state.change(["nodes"], () => [
      {
        ...{ Topic: "Node", Type: "NodeRegistration", Key: node.ID, Namespace: "", FilterKeys: [] },
        Payload: { Node: { ID: node.ID } },
      },
    ]);
  }
}

function unfitness(node: FakeNode, job: FakeJob, group: FakeGroup): string | undefined {
  if (group.Tasks.some(({ Driver }) => node.Drivers?.[Driver]?.Healthy !== true)) return "missing drivers";
  for (const { LTarget, Operand, RTarget } of job.Constraints ?? []) {
    const [, name = ""] = /^\$\{attr\.(.+)\}$/.exec(LTarget) ?? [];
    const value = node.attributes[name];
    const holds = Operand === "!=" ? value !== RTarget : value === RTarget;
    if (!holds) return `${LTarget} ${Operand} ${RTarget}`;
  }
  const volumes = Object.values(group.Volumes ?? {});
  if (volumes.some(({ Type, Source }) => Type === "host" && !node.hostVolumes.includes(Source)))
    return "missing compatible host volumes";
  if (volumes.some(({ Type }) => Type === "csi")) return "CSI plugin is missing";
  const devices = node.NodeResources?.Devices ?? [];
  const has = (wanted: string, least: number): boolean =>
    devices.some(
      ({ Vendor, Type, Name, Instances }) =>
        [Type, `${Vendor}/${Type}`, `${Vendor}/${Type}/${Name}`].includes(wanted) && (Instances ?? []).length >= least,
    );
  return group.Tasks.some(({ Resources }) => (Resources.Devices ?? []).some(({ Name, Count }) => !has(Name, Count)))
    ? "missing devices"
    : undefined;
}

function shortage({ NodeResources }: FakeNode, group: FakeGroup, held: readonly Held[]): string | undefined {
  const groups = [group, ...held.map((each) => each.group)];
  const sum = (of: (each: FakeGroup) => number): number => groups.reduce((total, each) => total + of(each), 0);
  const ofTasks = (key: "CPU" | "MemoryMB"): number =>
    sum(({ Tasks }) => Tasks.reduce((total, { Resources }) => total + Resources[key], 0));
  if (ofTasks("CPU") > (NodeResources?.Cpu.CpuShares ?? 0)) return "cpu";
  if (ofTasks("MemoryMB") > (NodeResources?.Memory.MemoryMB ?? 0)) return "memory";
  if (sum(({ EphemeralDisk }) => EphemeralDisk?.SizeMB ?? 0) > (NodeResources?.Disk.DiskMB ?? 0)) return "disk";
  const reserved = (each: FakeGroup): readonly number[] =>
    (each.Networks ?? []).flatMap(({ ReservedPorts }) => (ReservedPorts ?? []).map(({ Value = 0 }) => Value));
  const taken = new Set(held.flatMap((each) => reserved(each.group)));
  const [twice] = reserved(group).filter((port) => taken.has(port));
  return twice === undefined ? undefined : `network: reserved port collision p${twice}=${twice}`;
}

function isMatch(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}
