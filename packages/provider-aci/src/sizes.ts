// Amounts as the cloud takes them, always rounded up: cores in hundredths, memory in tenths of 10^9 bytes. What a group's containers
// ask for together is what any of them can be limited to, so it is raised to the largest limit and to what init containers need. Pure.
import {
  milliUnits,
  type PodSpec,
  parseQuantity,
  podTotal,
  quantities,
  type ResourceRequirements,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { ResourceLimits, ResourceRequests } from "./wire-containers.ts";

/** In hundredths of a core, and in tenths of 10^9 bytes. */
interface Amounts {
  readonly cpu: number;
  readonly memory: number;
}

export interface SizedContainer {
  readonly requests: ResourceRequests;
  readonly limits?: ResourceLimits | undefined;
}

export interface GroupSizes {
  /** By name: init containers that end have what the group has. */
  readonly containers: ReadonlyMap<string, SizedContainer>;
  readonly notes: readonly CreateNote[];
}

const least: Amounts = { cpu: 1, memory: 1 };
const kinds = ["cpu", "memory"] as const;
type Kind = (typeof kinds)[number];

/** `defaults`: for containers that ask for none. */
export function groupSizes(spec: PodSpec, defaults: { readonly cpu: string; readonly memory: string }): GroupSizes {
  const rounded: string[] = [];
  const raised: string[] = [];
  const running = placedContainers(spec).filter(({ kind }) => kind !== "init");
  const sizes = running.map(({ container: { name, resources } }) => {
    const asked = { cpu: asks(resources, "cpu"), memory: asks(resources, "memory") };
    const requests = { cpu: 0, memory: 0 };
    for (const kind of kinds) {
      const text = asked[kind] ?? defaults[kind];
      requests[kind] = Math.max(least[kind], upTo(text, kind));
      if (asked[kind] === undefined)
        rounded.push(`${name} asks for no ${kind} and gets ${shown(requests[kind], kind)}`);
      else if (!isExact(text, kind)) rounded.push(`${kind} of ${name}: ${text} became ${shown(requests[kind], kind)}`);
    }
    const limits: Partial<Record<Kind, number>> = {};
    for (const kind of kinds) {
      const limit = resources?.limits?.[kind];
      if (limit !== undefined) limits[kind] = Math.max(requests[kind], upTo(limit, kind));
    }
    return { name, requests, limits };
  });

  // What the pod says of itself as a whole, its overhead, and the largest init container.
  const wholePod = podTotal(spec, (resources) => quantities({ ...resources?.limits, ...resources?.requests }));
  for (const kind of kinds) {
    const total = sizes.reduce((sum, { requests }) => sum + requests[kind], 0);
    const largest = sizes.reduce(
      (most, size) => ((size.limits[kind] ?? 0) > (most?.limits[kind] ?? 0) ? size : most),
      sizes[0],
    );
    const limit = largest?.limits[kind] ?? 0;
    const whole = steps(wholePod.get(kind) ?? 0n, kind);
    const needed = Math.max(limit, whole);
    if (largest === undefined || needed <= total) continue;
    largest.requests[kind] += needed - total;
    const why = limit >= whole ? `the limit of ${largest.name}` : "what the pod or an init container needs";
    raised.push(`${kind} of the group was raised from ${shown(total, kind)} to ${shown(needed, kind)}, ${why}`);
  }

  const containers = new Map(
    sizes.map(({ name, requests, limits }): [string, SizedContainer] => [
      name,
      {
        requests: { cpu: requests.cpu / 100, memoryInGB: requests.memory / 10 },
        ...(Object.keys(limits).length > 0 && {
          limits: {
            // One that the raise went beyond moves with it.
            ...(limits.cpu !== undefined && { cpu: Math.max(limits.cpu, requests.cpu) / 100 }),
            ...(limits.memory !== undefined && { memoryInGB: Math.max(limits.memory, requests.memory) / 10 }),
          },
        }),
      },
    ]),
  );
  const note = (reason: string, parts: readonly string[]): CreateNote[] =>
    parts.length === 0 ? [] : [{ eventType: "Normal", reason, message: parts.join("; ") }];
  return { containers, notes: [...note("ResourcesRounded", rounded), ...note("ResourcesRaised", raised)] };
}

/** The request; without one the limit, as the API server has it. */
function asks(resources: ResourceRequirements | undefined, kind: Kind): string | undefined {
  return resources?.requests?.[kind] ?? resources?.limits?.[kind];
}

/** Thousandths of a core, or bytes. */
function amount(text: string, kind: Kind): bigint {
  const parsed = parseQuantity(text);
  return kind === "cpu" ? milliUnits(parsed) : wholeUnits(parsed);
}

const stepOf = { cpu: 10n, memory: 100_000_000n } as const;

function steps(units: bigint, kind: Kind): number {
  return Number((units + stepOf[kind] - 1n) / stepOf[kind]);
}

function upTo(text: string, kind: Kind): number {
  return steps(amount(text, kind), kind);
}

function isExact(text: string, kind: Kind): boolean {
  return BigInt(upTo(text, kind)) * stepOf[kind] === amount(text, kind);
}

function shown(count: number, kind: Kind): string {
  return kind === "cpu" ? `${count / 100}` : `${count / 10} GB`;
}
