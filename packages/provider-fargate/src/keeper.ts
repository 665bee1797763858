// The container that holds a task whose main containers end one by one, and that writes new contents into its volumes: it runs until the
// task is stopped. Pure.
import type { ContainerDefinition, MountPoint } from "@aws-sdk/client-ecs";
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";
import { logConfiguration } from "./container-definition.ts";
import { keeperContainer } from "./names.ts";
import type { Place } from "./start-order.ts";

/** `mounts`: of volumes that it is to write to. */
export function keeperHelper(
  { essential, dependsOn, restartPolicy }: Place,
  mounts: readonly MountPoint[],
  owner: PodOwner,
  config: FargateConfig,
): ContainerDefinition {
  return {
    name: keeperContainer,
    image: config.helperImage,
    essential,
    ...(dependsOn.length === 0 ? {} : { dependsOn: [...dependsOn] }),
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
    entryPoint: ["/bin/sh", "-c"],
    command: ["trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"],
    ...(mounts.length === 0 ? {} : { mountPoints: [...mounts], user: "0" }),
    stopTimeout: 2,
    ...logConfiguration(owner, config),
  };
}
