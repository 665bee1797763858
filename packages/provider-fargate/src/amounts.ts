// What a pod asks for, as ECS counts: limits where there are any, else requests, since a task has no more than what it is made with.
// Pure.
import { type Container, type PodSpec, podTotal, type Quantities, quantities } from "@virtual-kubelet/virtual-kubelet";
import { type PlacedContainer, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { ContainerAmounts } from "./container-definition.ts";
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
  const total = podTotal(spec, counted);
  const of = (name: string): number => Number(total.get(name) ?? 0n);
  return {
    wanted: { milliCPU: of("cpu"), bytes: Math.max(of("memory"), reserved * 1024 ** 2) },
    ephemeralStorage: of("ephemeral-storage"),
    containers,
  };
}

/** Memory in whole MiB, as ECS has it. */
function counted(resources: Amounts | undefined): Quantities {
  const amounts = new Map(quantities({ ...resources?.requests, ...resources?.limits }));
  const memory = amounts.get("memory");
  if (memory !== undefined) amounts.set("memory", BigInt(mib(memory)) * 1024n ** 2n);
  return amounts;
}

function mib(bytes: bigint): number {
  return Math.ceil(Number(bytes) / 1024 ** 2);
}

/** ECS adds up what all containers reserve, those that run one after another too: init containers reserve next to nothing. */
function containerAmounts({ container, kind }: PlacedContainer): ContainerAmounts {
  const inMiB = (list: Amounts["limits"]): number | undefined => {
    const bytes = quantities(list).get("memory");
    return bytes === undefined ? undefined : Math.max(mib(bytes), leastMemory);
  };
  const memory = inMiB(container.resources?.limits);
  if (kind === "init") return memory === undefined ? {} : { memory, memoryReservation: leastMemory };
  const reservation = inMiB(container.resources?.requests);
  const cpu = Math.floor((Number(counted(container.resources).get("cpu") ?? 0n) * 1024) / 1000);
  return {
    ...(cpu === 0 ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(reservation === undefined || reservation === memory ? {} : { memoryReservation: reservation }),
  };
}
