// The clients of Nomad that pods can go to, as one node: what they have together, and how fast their cores are. Pure.
import type { NodeReport } from "@virtual-kubelet/virtual-kubelet";
import type { NomadConfig } from "./config.ts";
import type { Fleet } from "./resources.ts";
import type { NomadNode } from "./wire-node.ts";

/** Those that jobs of this configuration may be placed on. */
export function fleetOf(nodes: readonly NomadNode[], config: NomadConfig): readonly NomadNode[] {
  return nodes.filter(
    ({ Status, SchedulingEligibility, Drain, Datacenter, NodePool = "default", Drivers }) =>
      Status === "ready" &&
      SchedulingEligibility === "eligible" &&
      !Drain &&
      (config.nodePool === "all" || NodePool === config.nodePool) &&
      config.datacenters.some((pattern) => isMatch(Datacenter, pattern)) &&
      config.allowedDrivers.some((driver) => Drivers?.[driver]?.Healthy ?? (Drivers ?? undefined) === undefined),
  );
}

/** Nomad's `*` at any place. */
function isMatch(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

/** Undefined: the fleet says nothing of its clock. */
export function mhzPerCore(fleet: readonly NomadNode[]): number | undefined {
  const sum = (of: (node: NomadNode) => number): number => fleet.reduce((total, node) => total + of(node), 0);
  const cores = sum(({ NodeResources }) => NodeResources?.Cpu.TotalCpuCores ?? 0);
  const mhz = sum(({ NodeResources }) => NodeResources?.Cpu.CpuShares ?? 0);
  return cores > 0 && mhz > 0 ? mhz / cores : undefined;
}

/** CPU in cores of the fleet's clock, as tasks are counted. */
export function nodeReport(fleet: readonly NomadNode[], config: NomadConfig, { mhzPerCore: clock }: Fleet): NodeReport {
  const total = { mhz: 0, memoryMB: 0, diskMB: 0 };
  const reserved = { mhz: 0, memoryMB: 0, diskMB: 0 };
  const devices = new Map<string, number>();
  for (const { NodeResources, ReservedResources } of fleet) {
    total.mhz += NodeResources?.Cpu.CpuShares ?? 0;
    total.memoryMB += NodeResources?.Memory.MemoryMB ?? 0;
    total.diskMB += NodeResources?.Disk.DiskMB ?? 0;
    reserved.mhz += ReservedResources?.Cpu?.CpuShares ?? 0;
    reserved.memoryMB += ReservedResources?.Memory?.MemoryMB ?? 0;
    reserved.diskMB += ReservedResources?.Disk?.DiskMB ?? 0;
    for (const { Vendor, Type, Name, Instances } of NodeResources?.Devices ?? [])
      for (const [resource, device] of Object.entries(config.devices))
        if ([Type, `${Vendor}/${Type}`, `${Vendor}/${Type}/${Name}`].includes(device))
          devices.set(
            resource,
            (devices.get(resource) ?? 0) + (Instances ?? []).filter(({ Healthy }) => Healthy).length,
          );
  }
  const amounts = (of: (key: keyof typeof total) => number): Record<string, string> => ({
    cpu: `${Math.floor((of("mhz") * 1000) / clock)}m`,
    memory: `${Math.max(0, of("memoryMB"))}Mi`,
    "ephemeral-storage": `${Math.max(0, of("diskMB"))}Mi`,
    pods: config.pods,
    ...Object.fromEntries([...devices].map(([name, count]) => [name, String(count)])),
  });
  const versions = [...new Set(fleet.map(({ Version = "" }) => Version).filter((version) => version !== ""))];
  return {
    capacity: amounts((key) => total[key]),
    allocatable: amounts((key) => total[key] - reserved[key]),
    ...(fleet.length > 0
      ? {}
      : {
          conditions: [
            {
              ...{ type: "Ready", status: "False" as const, reason: "NoClients" },
              message: `no ready client of Nomad in node pool ${config.nodePool} has a driver of ${config.allowedDrivers.join(", ")}`,
            },
          ],
        }),
    nodeInfo: { containerRuntimeVersion: `nomad://${versions.sort().at(-1) ?? "unknown"}` },
    labels: {
      "node.kubernetes.io/exclude-from-external-load-balancers": "true",
      ...(config.region === "" ? {} : { "topology.kubernetes.io/region": config.region }),
    },
  };
}
