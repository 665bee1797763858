// The container that holds a task whose main containers end one by one: essential, and runs until the task is stopped. Pure.
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";
import { logConfiguration } from "./container-definition.ts";
import { keeperContainer } from "./names.ts";
import type { Place } from "./start-order.ts";

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
