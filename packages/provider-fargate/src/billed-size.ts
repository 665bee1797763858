// What Fargate bills of a pod: the size of its task, and the storage beyond what comes with each. Pure.
import type { BilledSize, Pod } from "@virtual-kubelet/virtual-kubelet";
import { podAmounts } from "./amounts.ts";
import type { FargateConfig } from "./config.ts";
import { ephemeralStorage, storageSize, taskSize } from "./sizes.ts";
import { capacityProviderAnnotation } from "./where-to-run.ts";

type Billing = Pick<FargateConfig, "platform" | "capacityProviders">;

/** Throws Invalid for a pod that no task is large enough for. */
export function billedSize({ spec, metadata }: Pod, { platform, capacityProviders }: Billing): BilledSize | undefined {
  if (spec === undefined) return undefined;
  const { operatingSystem, architecture } = platform;
  const amounts = podAmounts(spec);
  const { cpu, memory } = taskSize(amounts.wanted, operatingSystem);
  const storage = storageSize(amounts.ephemeralStorage, "spec") ?? ephemeralStorage.free;
  return {
    cpu: cpu / 1024,
    memoryGiB: memory / 1024,
    storageGiB: storage - ephemeralStorage.free,
    architecture: architecture === "ARM64" ? "arm64" : "amd64",
    operatingSystem: operatingSystem === "LINUX" ? "linux" : "windows",
    spot: isSpot(metadata?.annotations ?? {}, capacityProviders),
    basis: "the size that Fargate bills",
  };
}

/** By the capacity that it got; before that is known, only where nothing else is left to it. */
function isSpot(
  annotations: Readonly<Record<string, string>>,
  configured: FargateConfig["capacityProviders"],
): boolean {
  const got = annotations["backend.virtual-kubelet.io/capacity-provider"] ?? annotations[capacityProviderAnnotation];
  if (got !== undefined) return got === "FARGATE_SPOT";
  return configured.length > 0 && configured.every(({ name }) => name === "FARGATE_SPOT");
}
