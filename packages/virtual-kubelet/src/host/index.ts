// What a provider on a Linux host needs of it: volumes as directories, figures of the host, tools, locks. For providers that keep
// containers on the machine they run on: @virtual-kubelet/virtual-kubelet/host.
export { writeAtomically } from "./atomic-volume.ts";
export {
  type CgroupFigures,
  type CgroupMounts,
  cgroupFigures,
  cgroupMounts,
  groupFile,
  processGroups,
} from "./cgroup-figures.ts";
export { type CgroupHost, findCgroups, limitCgroups, makeCgroups, removeCgroups } from "./cgroups.ts";
export { absolutePath, byteSize, mountablePath, pressure, quantity } from "./config-values.ts";
export { CpuRates } from "./cpu-rates.ts";
export { directoryUsage } from "./disk-usage.ts";
export {
  type DiskFigures,
  diskFigures,
  fsStats,
  hostStats,
  type MemoryFigures,
  memoryFigures,
  type PidFigures,
  parseInterfaces,
  pidFigures,
} from "./host-figures.ts";
export { openHostPath } from "./host-path.ts";
export { hostsContent } from "./hosts-file.ts";
export { leavable } from "./leavable.ts";
export {
  type BindOptions,
  bindOpen,
  type MountPoint,
  mountPointsUnder,
  mountsUnder,
  removeTree,
  unmountUnder,
} from "./mounts.ts";
export { Movement, type QuietOptions } from "./movement.ts";
export { type HostNow, hostNow, type NodeConfig, nodeInfo, nodeReport } from "./node-report.ts";
export { openInside, pathOf } from "./open-inside.ts";
export { makeVolumes, updateFiles, type VolumeNote, type VolumeRules, volumePath } from "./pod-volumes.ts";
export { carryConnection, connectPort } from "./port-connection.ts";
export { bootId, descendants, signal as signalProcess } from "./process-table.ts";
export { roomCheck, stateDirectoryCheck } from "./provider-checks.ts";
export { checkedConfig, type ProviderConfigSource, readProviderConfig } from "./provider-config.ts";
export { runTool } from "./run-tool.ts";
export { endOfFile, isMissing, privateDirectory, readIfThere, writeWhole } from "./state-files.ts";
export { lockState } from "./state-lock.ts";
export { StorageMeter } from "./storage-meter.ts";
export { copyInto, drained } from "./stream-copy.ts";
export { openSubPath, type SubPathFacts } from "./sub-path.ts";
export { toolEnvironment, toolPath } from "./tool-environment.ts";
export { Turns } from "./turns.ts";
export { UidEvents } from "./uid-events.ts";
export { readVolumeFile } from "./volume-file.ts";
