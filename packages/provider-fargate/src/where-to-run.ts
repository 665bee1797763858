// On what capacity and in which network a task runs. Pure.
import type { RunTaskRequest } from "@aws-sdk/client-ecs";
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";

/** A pod that names one runs there alone: FARGATE, FARGATE_SPOT, or one that is configured. */
export const capacityProviderAnnotation = "virtual-kubelet.io/capacity-provider";

type Where = Pick<
  RunTaskRequest,
  "capacityProviderStrategy" | "launchType" | "networkConfiguration" | "platformVersion"
>;

/** Throws Invalid, with the field, for a capacity provider that is not there. */
export function whereToRun({ metadata }: Pick<Pod, "metadata">, config: FargateConfig): Where {
  const { network, platform, capacityProviders } = config;
  const named = metadata?.annotations?.[capacityProviderAnnotation];
  const known = ["FARGATE", "FARGATE_SPOT", ...capacityProviders.map(({ name }) => name)];
  if (named !== undefined && !known.includes(named))
    throw new VirtualKubeletError(
      "Invalid",
      `no capacity provider "${named}": it is one of ${[...new Set(known)].join(", ")}`,
      {
        field: `metadata.annotations[${capacityProviderAnnotation}]`,
      },
    );
  const strategy = named === undefined ? capacityProviders : [{ name: named, weight: 1, base: 0 }];
  return {
    ...(strategy.length === 0
      ? { launchType: "FARGATE" }
      : {
          capacityProviderStrategy: strategy.map(({ name, weight, base }) => ({
            ...{ capacityProvider: name, weight },
            ...(base === 0 ? {} : { base }),
          })),
        }),
    platformVersion: platform.version,
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: [...network.subnets],
        ...(network.securityGroups.length === 0 ? {} : { securityGroups: [...network.securityGroups] }),
        assignPublicIp: network.assignPublicIP ? "ENABLED" : "DISABLED",
      },
    },
  };
}
