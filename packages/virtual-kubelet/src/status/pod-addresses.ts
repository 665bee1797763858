// A pod's addresses, as a status may show them: one of each family, primary first. Pure.
import { isIP } from "node:net";
import type { PodSpec, PodStatus } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";

export function podIPsOf(
  spec: PodSpec,
  report: PodReport | undefined,
  current: PodStatus,
  hosts: readonly string[],
): readonly string[] {
  if (report?.podIPs !== undefined && report.podIPs.length > 0) return distinctIPs(report.podIPs);
  if (spec.hostNetwork === true) return hosts;
  // A backend may drop the address with the last container; the pod's history keeps it, as long as it is the same pod.
  return current.podIPs?.map(({ ip }) => ip) ?? [];
}

/** The first of each family: the API takes no more, and nothing else. */
export function distinctIPs(ips: readonly string[]): readonly string[] {
  const families = new Set<number>([0]);
  return ips.filter((ip) => {
    const family = isIP(ip);
    return families.has(family) ? false : families.add(family);
  });
}
