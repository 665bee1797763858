// Starts and stops tasks. A pod has one at most: its UID is the client token.
import type { Container, RunTaskCommandInput } from "@aws-sdk/client-ecs";
import {
  type CallContext,
  errorText,
  isErrorKind,
  type PodOwner,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { isDefinitionGone, type TaskDefinitions } from "./task-definitions.ts";
import { type TaskPlan, withSecretARNs } from "./task-plan.ts";
import type { TaskSecrets } from "./task-secrets.ts";

export interface TaskStarterOptions {
  readonly aws: Pick<AwsApi, "runTask" | "stopTask">;
  readonly definitions: Pick<TaskDefinitions, "ensure" | "forget">;
  readonly secrets: Pick<TaskSecrets, "make">;
  /** Of ECS. */
  readonly cluster: string;
}

export class TaskStarter {
  readonly #options: TaskStarterOptions;

  constructor(options: TaskStarterOptions) {
    this.#options = options;
  }

  /** ARN of the task. */
  async start(plan: TaskPlan, owner: PodOwner, context: CallContext): Promise<string> {
    const { definitions, secrets } = this.#options;
    const tags = (plan.run.tags ?? []).map(({ key, value }) => ({ Key: key, Value: value }));
    const definition = withSecretARNs(plan.definition, await secrets.make(plan.secrets, owner, tags, context));
    for (let tries = 1; ; tries++) {
      const taskDefinition = await definitions.ensure(definition, context);
      try {
        return await this.run({ ...plan.run, taskDefinition }, context);
      } catch (error) {
        if (!isDefinitionGone(error) || tries > 1) throw ofTheAccount(error);
        definitions.forget(definition);
      }
    }
  }

  /** The containers as they were when it was told to stop. Throws NotFound when ECS has no such task. One that has stopped stays as it is. */
  async stop(task: string, reason: string, context: CallContext): Promise<readonly Container[]> {
    try {
      const answer = await this.#options.aws.stopTask({ cluster: this.#options.cluster, task, reason }, context);
      return answer.task?.containers ?? [];
    } catch (error) {
      if (isErrorKind(error, "Invalid") && /not found/i.test(errorText(error)))
        throw new VirtualKubeletError("NotFound", `there is no task ${task}`, { cause: error });
      throw error;
    }
  }

  /** ARN of the task of this client token. */
  async run(input: RunTaskCommandInput, context: CallContext): Promise<string> {
    try {
      const { tasks = [], failures = [] } = await this.#options.aws.runTask(input, context);
      const [task] = tasks;
      if (task?.taskArn !== undefined) return task.taskArn;
      const [{ reason = "no task", detail = "" } = {}] = failures;
      const kind = /capacity|limit|RESOURCE/i.test(reason) ? "Quota" : "Unavailable";
      throw new VirtualKubeletError(kind, `RunTask: ${reason}${detail === "" ? "" : `: ${detail}`}`);
    } catch (error) {
      const [known] = conflictingTasks(error);
      if (known === undefined) throw error;
      return known;
    }
  }
}

/** ECS took the pod's content when it registered it: what it refuses now is of the account, and somebody can mend it. */
function ofTheAccount(error: unknown): unknown {
  return isErrorKind(error, "Invalid")
    ? new VirtualKubeletError("Unavailable", errorText(error), { cause: error })
    : error;
}

/** Tasks that were started by the same client token with something else in the request. */
function conflictingTasks(error: unknown): readonly string[] {
  if (!(error instanceof VirtualKubeletError) || error.kind !== "Conflict" || !(error.cause instanceof Error))
    return [];
  const ids: unknown = Reflect.get(error.cause, "resourceIds");
  return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
}
