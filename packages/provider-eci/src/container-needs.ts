// Ports of a container, and what it asks for beside cores and memory. Pure.
import type { Container } from "@virtual-kubelet/virtual-kubelet";
import { unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";

const gpuResources: readonly string[] = ["nvidia.com/gpu", "aliyun.com/gpu"];
export const knownResources: readonly string[] = ["cpu", "memory", "ephemeral-storage", ...gpuResources];

export function isGPU(resource: string): boolean {
  return gpuResources.includes(resource);
}

export function gpusOf({ resources }: Container): number {
  return gpuResources.reduce(
    (sum, name) => sum + Number(resources?.limits?.[name] ?? resources?.requests?.[name] ?? 0),
    0,
  );
}

/** Throws Unsupported with the field. */
export function portsOf(
  { ports = [] }: Container,
  path: string,
): readonly { readonly Port: number; readonly Protocol: "TCP" | "UDP" }[] {
  return ports.map(({ containerPort: Port, protocol: Protocol = "TCP" }, index) => {
    if (Protocol !== "TCP" && Protocol !== "UDP")
      throw unsupported(`${path}.ports[${index}].protocol`, `the cloud has TCP and UDP, not ${Protocol}`);
    return { Port, Protocol };
  });
}
