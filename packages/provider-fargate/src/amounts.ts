// What a pod asks for, as ECS counts: limits where there are any, else requests, since a task has no more than what it is made with.
// Pure.
import { type Container, milliUnits, type PodSpec, parseQuantity, wholeUnits } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerAmounts } from "./container-definition.ts";
import { type PlacedContainer, placedContainers } from "./pod-containers.ts";
import type { WantedSize } from "./sizes.ts";

type Amounts = NonNullable<Container["resources"]>;

/** The least that a container is given, MiB. */
const leastMemory = 6;

export interface PodAmounts {
  readonly wanted: WantedSize;
  /** Bytes. */
  readonly ephemeralStorage: number;
  readonly containers: ReadonlyMap<string, ContainerAmounts>;
}

export function podAmounts(spec: PodSpec): PodAmounts {
  const placed = placedContainers(spec);
  const containers = new Map(placed.map((each) => [each.container.name, containerAmounts(each)]));
  const reserved = [...containers.values()].reduce(
    (sum, { memory = 0, memoryReservation = memory }) => sum + memoryReservation,
    0,
  );
  const memory = effective(spec, "memory", (amount) => mib(amount) * 1024 ** 2);
  return {
    wanted: {
      milliCPU: effective(spec, "cpu", (amount) => Number(milliUnits(amount))),
      bytes: Math.max(memory, reserved * 1024 ** 2),
    },
    ephemeralStorage: effective(spec, "ephemeral-storage", (amount) => Number(wholeUnits(amount))),
    containers,
  };
}

function mib(amount: bigint): number {
  return Math.ceil(Number(wholeUnits(amount)) / 1024 ** 2);
}

function amountOf(resources: Amounts | undefined, name: string): bigint {
  const text = resources?.limits?.[name] ?? resources?.requests?.[name];
  return text === undefined ? 0n : parseQuantity(text);
}

/** Counted as the scheduler does: what runs together, or the one init container that needs more beside the sidecars before it. */
function effective(spec: PodSpec, name: string, rounded: (amount: bigint) => number): number {
  const overhead = spec.overhead?.[name];
  const more = overhead === undefined ? 0 : rounded(parseQuantity(overhead));
  const podLevel = amountOf(spec.resources, name);
  if (podLevel > 0n) return rounded(podLevel) + more;
  let sidecars = 0;
  let starting = 0;
  let running = 0;
  for (const { container, kind } of placedContainers(spec)) {
    const amount = rounded(amountOf(container.resources, name));
    if (kind === "main") running += amount;
    else starting = Math.max(starting, sidecars + amount);
    if (kind === "sidecar") sidecars += amount;
  }
  return Math.max(running + sidecars, starting) + more;
}

/** ECS adds up what all containers reserve, those that run one after another too: init containers reserve next to nothing. */
function containerAmounts({ container, kind }: PlacedContainer): ContainerAmounts {
  const { limits, requests } = container.resources ?? {};
  const inMiB = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Math.max(mib(parseQuantity(text)), leastMemory);
  const memory = inMiB(limits?.["memory"]);
  if (kind === "init") return memory === undefined ? {} : { memory, memoryReservation: leastMemory };
  const reservation = inMiB(requests?.["memory"]);
  const cpu = Math.floor((Number(milliUnits(amountOf(container.resources, "cpu"))) * 1024) / 1000);
  return {
    ...(cpu === 0 ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(reservation === undefined || reservation === memory ? {} : { memoryReservation: reservation }),
  };
}
