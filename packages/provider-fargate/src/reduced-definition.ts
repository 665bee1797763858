// A task definition without some of its containers: what a pod's next task is run with when those have ended for good. Pure.
import type { ContainerDefinition, TaskDefinition } from "@aws-sdk/client-ecs";
import type { TaskPlan } from "./task-plan.ts";

/** `described`: as ECS tells it. */
export function reducedDefinition(
  { containerDefinitions = [], ...described }: TaskDefinition,
  without: ReadonlySet<string>,
): TaskPlan["definition"] {
  const { networkMode, requiresCompatibilities, cpu, memory, runtimePlatform } = described;
  const { executionRoleArn, taskRoleArn, ephemeralStorage, pidMode, volumes } = described;
  const optional = { executionRoleArn, taskRoleArn, ephemeralStorage, pidMode, volumes };
  const left = containerDefinitions.filter(({ name = "" }) => !without.has(name));
  // All containers share the network: one of them sets it for all.
  const systemControls = containerDefinitions.flatMap((each) => each.systemControls ?? []);
  return {
    ...{ networkMode, requiresCompatibilities, cpu, memory, runtimePlatform },
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    containerDefinitions: left.map(({ systemControls: _, ...each }, index): ContainerDefinition => {
      const dependsOn = each.dependsOn?.filter(({ containerName = "" }) => !without.has(containerName));
      return {
        ...each,
        ...(dependsOn === undefined ? {} : { dependsOn }),
        ...(index === 0 && systemControls.length > 0 ? { systemControls } : {}),
      };
    }),
  };
}
