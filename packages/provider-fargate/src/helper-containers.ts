// Containers of ours beside a pod's: one that brings files into volumes before all others, one that holds a task whose main containers
// end one by one. Pure.
import type { ContainerDefinition, Volume } from "@aws-sdk/client-ecs";
import { type PodOwner, type PodSpec, type ResolvedPod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";
import { logConfiguration } from "./container-definition.ts";
import { filesContainer, keeperContainer } from "./names.ts";
import type { SecretValues } from "./secret-values.ts";
import type { Place } from "./start-order.ts";

export interface FilesHelper {
  readonly definition: ContainerDefinition;
  /** Those that no container of the pod mounts are not among them. */
  readonly volumes: readonly Volume[];
}

export interface FilesInput {
  readonly spec: PodSpec;
  readonly resolved: ResolvedPod;
  readonly owner: PodOwner;
  readonly secretValues: SecretValues;
  readonly config: FargateConfig;
}

/** Undefined where no container mounts files. Throws Unsupported or Invalid with the field. */
export function filesHelper({ spec, resolved, config }: FilesInput): FilesHelper | undefined {
  const mounted = new Set(resolved.containers.flatMap(({ mounts }) => mounts.map(({ volume }) => volume)));
  const wanted = resolved.volumes.filter((volume) => volume.type === "files" && mounted.has(volume.name));
  const [first] = wanted;
  if (first === undefined) return undefined;
  const field = `spec.volumes[${(spec.volumes ?? []).findIndex(({ name }) => name === first.name)}]`;
  if (config.helperImage === "")
    throw new VirtualKubeletError(
      "Unsupported",
      "files come into volumes by a helper container: helperImage is not configured",
      { field },
    );
  if (config.platform.operatingSystem !== "LINUX")
    throw new VirtualKubeletError("Unsupported", "files come into volumes of Linux containers alone", { field });
  return { definition: { name: filesContainer, image: config.helperImage }, volumes: [] };
}

/** Runs until the task is stopped. */
export function keeperHelper({ dependsOn }: Place, owner: PodOwner, config: FargateConfig): ContainerDefinition {
  return {
    name: keeperContainer,
    image: config.helperImage,
    essential: true,
    ...(dependsOn.length === 0 ? {} : { dependsOn: [...dependsOn] }),
    entryPoint: ["/bin/sh", "-c"],
    command: ["trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
    stopTimeout: 2,
    ...logConfiguration(owner, config),
  };
}
