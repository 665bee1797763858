// The node as configured: what pods may ask for altogether, and of which kind its tasks are.
import type { NodeReport } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";

/** At once, and never otherwise until it is aborted. */
export async function* watchedNode(config: FargateConfig, signal: AbortSignal): AsyncGenerator<NodeReport> {
  yield nodeReport(config);
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
}

export function nodeReport({ capacity, platform, region, cluster }: FargateConfig): NodeReport {
  const linux = platform.operatingSystem === "LINUX";
  const architecture = platform.architecture === "ARM64" ? "arm64" : "amd64";
  const operatingSystem = linux ? "linux" : "windows";
  return {
    capacity: { ...capacity },
    nodeInfo: {
      ...{ architecture, operatingSystem },
      osImage: linux ? "AWS Fargate" : `AWS Fargate, ${platform.operatingSystem}`,
      containerRuntimeVersion: `fargate://${platform.version}`,
    },
    labels: {
      "kubernetes.io/arch": architecture,
      "kubernetes.io/os": operatingSystem,
      "topology.kubernetes.io/region": region,
      "node.kubernetes.io/instance-type": "fargate",
      "fargate.virtual-kubelet.io/cluster": cluster.slice(cluster.lastIndexOf("/") + 1).slice(0, 63),
    },
  };
}
