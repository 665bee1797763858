// What a task is given: CPU in MHz by the clock of the fleet, memory held for it and memory that it may have beyond, devices. Pure.
import {
  type Container,
  milliUnits,
  parseQuantity,
  VirtualKubeletError,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import type { NomadResources } from "./wire-job.ts";

/** What of the fleet counts for a task. */
export interface Fleet {
  /** Of one core. */
  readonly mhzPerCore: number;
  /** Memory beyond what is held for a task may be used. */
  readonly oversubscription: boolean;
}

/** Before the fleet is known: what a core is taken for. */
export const unknownFleet: Fleet = { mhzPerCore: 1000, oversubscription: false };

export interface TaskResources {
  readonly resources: NomadResources;
  /** Its CPU is the limit as well. */
  readonly isHardLimit: boolean;
  readonly notes: readonly CreateNote[];
}

/** The least that Nomad takes. */
const leastMemoryMB = 10;

export function taskResources(
  { name, resources = {} }: Container,
  field: string,
  config: Pick<NomadConfig, "defaults" | "devices">,
  { mhzPerCore, oversubscription }: Fleet,
): TaskResources {
  const { requests = {}, limits = {} } = resources;
  const asked = (key: string): string | undefined => requests[key] ?? limits[key];
  const notes: CreateNote[] = [];
  const note = (message: string): void => {
    notes.push({ eventType: "Normal", reason: "ResourcesRounded", message: `container ${name}: ${message}` });
  };
  const mhz = (text: string): number =>
    Math.max(1, Math.ceil((Number(milliUnits(parseQuantity(text))) * mhzPerCore) / 1000));
  const CPU = mhz(asked("cpu") ?? config.defaults.cpu);
  const isHardLimit = limits["cpu"] !== undefined && mhz(limits["cpu"]) === CPU;
  if (limits["cpu"] !== undefined && !isHardLimit)
    note(`Nomad holds to no limit of CPU above the request: ${CPU} MHz are shares, ${limits["cpu"]} is no bound`);
  const request = megabytes(asked("memory") ?? config.defaults.memory);
  const limit = limits["memory"] === undefined ? undefined : megabytes(limits["memory"]);
  const isMore = limit !== undefined && limit > request;
  const MemoryMB = isMore && !oversubscription ? limit : request;
  if (isMore && !oversubscription)
    note(`${limit} MiB are held for it, not ${request}: Nomad's fleet does not let memory be oversubscribed`);
  if (limit === undefined) note(`has no limit of memory: Nomad ends it beyond ${MemoryMB} MiB`);
  const Devices = Object.entries({ ...requests, ...limits }).flatMap(([key, amount]) => {
    if (key === "cpu" || key === "memory" || key === "ephemeral-storage") return [];
    const device = config.devices[key];
    if (device === undefined)
      throw new VirtualKubeletError("Unsupported", `the configuration has no device of Nomad for ${key}`, {
        field: `${field}.resources.limits[${key}]`,
      });
    const Count = Number(wholeUnits(parseQuantity(amount)));
    return Count === 0 ? [] : [{ Name: device, Count }];
  });
  return {
    resources: {
      ...{ CPU, MemoryMB },
      ...(isMore && oversubscription ? { MemoryMaxMB: limit } : {}),
      ...(Devices.length > 0 && { Devices }),
    },
    isHardLimit,
    notes,
  };
}

function megabytes(text: string): number {
  return Math.max(leastMemoryMB, Math.ceil(Number(wholeUnits(parseQuantity(text))) / 2 ** 20));
}
