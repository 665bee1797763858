// The node as configured: what pods may ask for altogether, and of which kind it is. Pure.
import type { NodeReport } from "@virtual-kubelet/virtual-kubelet";
import type { EciConfig } from "./config.ts";

export function nodeReport({ capacity, region, architecture }: EciConfig): NodeReport {
  const arch = architecture === "ARM64" ? "arm64" : "amd64";
  return {
    capacity: { ...capacity },
    nodeInfo: {
      ...{ architecture: arch, operatingSystem: "linux", osImage: "Elastic Container Instance" },
      containerRuntimeVersion: "eci://2018-08-08",
    },
    labels: {
      "kubernetes.io/arch": arch,
      "kubernetes.io/os": "linux",
      "topology.kubernetes.io/region": region,
      "node.kubernetes.io/instance-type": "eci",
      // Nothing listens on ports of the node.
      "node.kubernetes.io/exclude-from-external-load-balancers": "true",
    },
  };
}
