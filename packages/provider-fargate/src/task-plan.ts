// What is made in the account for a pod: secrets, a task definition, a task. Data, and how the parts refer to one another. Pure.
import type { ContainerDefinition, RegisterTaskDefinitionRequest, RunTaskRequest } from "@aws-sdk/client-ecs";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { PlannedSecret } from "./secret-values.ts";

export interface TaskPlan {
  /** Where it refers to secrets it has their names in place of their ARNs. */
  readonly definition: Omit<RegisterTaskDefinitionRequest, "family">;
  readonly run: Omit<RunTaskRequest, "taskDefinition">;
  readonly secrets: readonly PlannedSecret[];
  readonly notes: readonly CreateNote[];
}

/** The definition with the ARNs of secrets that were made, by name. */
export function withSecretARNs(
  definition: TaskPlan["definition"],
  arns: ReadonlyMap<string, string>,
): TaskPlan["definition"] {
  const known = (text: string): string => {
    const end = text.indexOf(":");
    const name = end < 0 ? text : text.slice(0, end);
    const arn = arns.get(name);
    return arn === undefined ? text : `${arn}${text.slice(name.length)}`;
  };
  return {
    ...definition,
    containerDefinitions: (definition.containerDefinitions ?? []).map((container): ContainerDefinition => {
      const { secrets, repositoryCredentials } = container;
      const parameter = repositoryCredentials?.credentialsParameter;
      return {
        ...container,
        ...(secrets === undefined
          ? {}
          : { secrets: secrets.map(({ name, valueFrom = "" }) => ({ name, valueFrom: known(valueFrom) })) }),
        ...(parameter === undefined ? {} : { repositoryCredentials: { credentialsParameter: known(parameter) } }),
      };
    }),
  };
}
