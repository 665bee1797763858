// Where on the host a running container is: its control groups, and what it writes. By its main process alone, so that it is the
// same for every engine and every layout of control groups.
import { readFileSync } from "node:fs";
import { type CgroupMounts, processGroups } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails } from "../engine/engine-client.ts";

export interface ContainerPlace {
  readonly groups: readonly string[];
  /** Directory of the layer that it writes; undefined where that is not to be seen. */
  readonly layer: string | undefined;
}

/** undefined: its process is not on this host, or has just ended. */
export function placeOf({ id, pid, cgroupPath }: ContainerDetails, mounts: CgroupMounts): ContainerPlace | undefined {
  if (pid <= 0) return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    // Another process has the pid by now, or its engine is on another host.
    if (!text.includes(id) && (cgroupPath === "" || !text.includes(cgroupPath))) return undefined;
    return {
      groups: processGroups(text, mounts),
      layer: writtenLayer(readFileSync(`/proc/${pid}/mountinfo`, "utf8")),
    };
  } catch {
    return undefined;
  }
}

/** Pure: of /proc/<pid>/mountinfo; what an overlay over the root writes to. */
export function writtenLayer(mountInfo: string): string | undefined {
  for (const line of mountInfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    if (left.split(" ")[4] !== "/") continue;
    const [type, , options = ""] = right.split(" ");
    if (type !== "overlay") return undefined;
    const path = /(?:^|,)upperdir=((?:\\.|[^,\\])+)/.exec(options)?.[1];
    return path?.startsWith("/") === true ? unescaped(path) : undefined;
  }
  return undefined;
}

/** Spaces and the like are written in octal. */
const unescaped = (path: string): string =>
  path.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
