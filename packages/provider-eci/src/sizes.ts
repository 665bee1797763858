// How large a group is: what its containers ask for together, at least what the pod as a whole or an init container needs. The cloud
// gives the next size that it has; which one is told. Pure.
import {
  milliUnits,
  type PodSpec,
  parseQuantity,
  type ResourceRequirements,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";

/** Cores, and GiB. */
export interface Size {
  readonly cpu: number;
  readonly memory: number;
}

export interface GroupSizes {
  readonly group: Size;
  /** Limits by container's name, where the group can hold them all. */
  readonly limits: ReadonlyMap<string, Partial<Size>>;
  readonly notes: readonly CreateNote[];
}

type Kind = keyof Size;
const kinds = ["cpu", "memory"] as const;

/** Cores, and the GiB that there are with them, in every region. Some regions have more in between. */
const rows: readonly (readonly [number, readonly number[]])[] = [
  [0.25, [0.5, 1]],
  [0.5, [1, 2]],
  [1, [2, 4, 8]],
  [2, [1, 2, 4, 8, 16]],
  [4, [2, 4, 8, 16, 32]],
  [8, [4, 8, 16, 32, 64]],
  [12, [12, 24, 48, 96]],
  [16, [16, 32, 64, 128]],
  [24, [24, 48, 96, 192]],
  [32, [32, 64, 128, 256]],
  [52, [96, 192, 384]],
  [64, [128, 256, 512]],
];

/** The least that holds it; undefined: there is none so large. */
export function nextSize({ cpu, memory }: Size): Size | undefined {
  for (const [cores, amounts] of rows) {
    const found = cores < cpu ? undefined : amounts.find((amount) => amount >= memory);
    if (found !== undefined) return { cpu: cores, memory: found };
  }
  return undefined;
}

export function groupSizes(spec: PodSpec, config: Pick<EciConfig, "defaultRequests" | "sizeBy">): GroupSizes {
  const { defaultRequests, sizeBy } = config;
  const filled: string[] = [];
  const totals = { cpu: 0, memory: 0 };
  for (const kind of kinds) {
    let sum = 0n;
    for (const { name, resources } of spec.containers) {
      const asked = asks(resources, kind, sizeBy);
      if (asked === undefined && asks(spec.resources, kind, sizeBy) === undefined)
        filled.push(`${name} asks for no ${kind} and gets ${defaultRequests[kind]}`);
      sum += amount(asked ?? defaultRequests[kind], kind);
    }
    const own = asks(spec.resources, kind, sizeBy);
    const whole = own === undefined ? sum : amount(own, kind);
    const inits = (spec.initContainers ?? []).map(({ resources }) =>
      amount(asks(resources, kind, sizeBy) ?? "0", kind),
    );
    const needed = inits.reduce((most, each) => (each > most ? each : most), whole);
    totals[kind] = units(needed + amount(spec.overhead?.[kind] ?? "0", kind), kind);
  }
  const given = nextSize(totals);
  const isSame = given?.cpu === totals.cpu && given.memory === totals.memory;
  const parts = [
    ...filled,
    ...(given === undefined || isSame
      ? []
      : [`${shown(totals)} of the group become ${shown(given)}, or a size in between where the region has one`]),
  ];
  const { limits, notes } = limitsOf(spec, given ?? totals);
  return {
    group: totals,
    limits,
    notes: [
      ...(parts.length === 0
        ? []
        : [{ eventType: "Normal" as const, reason: "ResourcesRounded", message: parts.join("; ") }]),
      ...notes,
    ],
  };
}

function limitsOf(
  { containers }: PodSpec,
  size: Size,
): { readonly limits: ReadonlyMap<string, Partial<Size>>; readonly notes: readonly CreateNote[] } {
  const all = new Map<string, { cpu?: number; memory?: number }>(containers.map(({ name }) => [name, {}]));
  const notes: CreateNote[] = [];
  for (const kind of kinds) {
    const given = containers.flatMap(({ name, resources }) => {
      const text = resources?.limits?.[kind];
      return text === undefined ? [] : [{ name, value: units(amount(text, kind), kind) }];
    });
    const sum = given.reduce((total, { value }) => total + value, 0);
    if (sum <= size[kind]) {
      for (const { name, value } of given) Object.assign(all.get(name) ?? {}, { [kind]: value });
      continue;
    }
    notes.push({
      ...{ eventType: "Normal", reason: "LimitsNotApplied" },
      message: `limits.${kind}: ${kind === "cpu" ? `${rounded(sum)} cores` : `${rounded(sum)} GiB`} together are more than the group has; its containers share what it has (sizeBy: limits in the provider's configuration makes it larger)`,
    });
  }
  return { limits: all, notes };
}

/** The request; without one the limit, as the API server has it. */
function asks(resources: ResourceRequirements | undefined, kind: Kind, by: EciConfig["sizeBy"]): string | undefined {
  const { requests, limits } = resources ?? {};
  return by === "requests" ? (requests?.[kind] ?? limits?.[kind]) : (limits?.[kind] ?? requests?.[kind]);
}

/** Thousandths of a core, or bytes. */
function amount(text: string, kind: Kind): bigint {
  const parsed = parseQuantity(text);
  return kind === "cpu" ? milliUnits(parsed) : wholeUnits(parsed);
}

/** Cores or GiB, to thousandths, upwards. */
function units(count: bigint, kind: Kind): number {
  return kind === "cpu" ? Number(count) / 1000 : Number((count * 1000n + 2n ** 30n - 1n) / 2n ** 30n) / 1000;
}

function rounded(sum: number): number {
  return Math.round(sum * 1000) / 1000;
}

function shown({ cpu, memory }: Size): string {
  return `${cpu} cores and ${memory} GiB`;
}
