// What the runner is asked for on behalf of a task: commands, variables with their secrets, volumes, limits.
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import type { RunnerContainer, RunnerGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { FakeEcsTask } from "./fake-ecs-task.ts";
import type { FakeSecrets } from "./fake-secrets.ts";

/** Throws what a task fails to start with. */
export function runnerGroup(
  task: Pick<FakeEcsTask, "id" | "definition" | "overrides">,
  secrets: FakeSecrets,
): RunnerGroup {
  const { containerDefinitions: all = [], volumes = [] } = task.definition;
  return {
    id: `ecs-${task.id}`,
    containers: all.map((each) => runnerContainer(each, task.overrides.containerOverrides, secrets)),
    volumes: volumes.map(({ name = "" }) => ({ name })),
  };
}

function runnerContainer(
  definition: ContainerDefinition,
  overrides: FakeEcsTask["overrides"]["containerOverrides"],
  secrets: FakeSecrets,
): RunnerContainer {
  const { name = "", image = "", entryPoint, command, workingDirectory, user, memory } = definition;
  const override = overrides?.find((each) => each.name === name);
  const env: Record<string, string> = { AWS_EXECUTION_ENV: "AWS_ECS_FARGATE" };
  for (const each of [...(definition.environment ?? []), ...(override?.environment ?? [])])
    env[each.name ?? ""] = each.value ?? "";
  for (const each of definition.secrets ?? []) env[each.name ?? ""] = secretValue(each.valueFrom ?? "", secrets);
  const credentials = definition.repositoryCredentials?.credentialsParameter;
  if (credentials !== undefined) secretValue(credentials, secrets);
  const limit = override?.memory ?? memory;
  return {
    ...{ name, image, env, workingDir: workingDirectory, user },
    entrypoint: entryPoint === undefined || entryPoint.length === 0 ? undefined : entryPoint,
    args: override?.command ?? command,
    mounts: (definition.mountPoints ?? []).map(({ sourceVolume = "", containerPath = "", readOnly = false }) => ({
      ...{ volume: sourceVolume, path: containerPath, readOnly },
    })),
    tty: definition.pseudoTerminal,
    stdin: definition.interactive,
    memoryLimit: limit === undefined ? undefined : limit * 1024 ** 2,
  };
}

function secretValue(valueFrom: string, secrets: FakeSecrets): string {
  try {
    return secrets.valueFrom(valueFrom);
  } catch (error) {
    throw new Error(
      `ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: ${errorText(error)}`,
    );
  }
}

/** Where a container's lines go. */
export function logTarget(
  { name = "", logConfiguration }: ContainerDefinition,
  taskId: string,
): { readonly group: string; readonly stream: string; readonly creates: boolean } | undefined {
  const { logDriver, options = {} } = logConfiguration ?? {};
  const group = options["awslogs-group"];
  if (logDriver !== "awslogs" || group === undefined) return undefined;
  const stream = `${options["awslogs-stream-prefix"]}/${name}/${taskId}`;
  return { group, stream, creates: options["awslogs-create-group"] === "true" };
}
