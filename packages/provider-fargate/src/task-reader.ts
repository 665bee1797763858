// Reads tasks: all of a cluster in pages, some by their ARNs in hundreds.
import type { Task } from "@aws-sdk/client-ecs";
import { type CallContext, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { type NodeIdentity, type TaskOwner, taskOwner } from "./task-owner.ts";

/** What DescribeTasks takes. */
export const describedAtOnce = 100;

export interface OwnedTask {
  readonly task: Task;
  readonly owner: TaskOwner;
}

export class TaskReader {
  readonly #aws: Pick<AwsApi, "listTasks" | "describeTasks">;
  readonly #cluster: string;
  readonly #identity: NodeIdentity;
  /** Tasks of others, as of the last listing: they are not looked at again. */
  #foreign: ReadonlySet<string> = new Set();

  constructor(aws: Pick<AwsApi, "listTasks" | "describeTasks">, cluster: string, identity: NodeIdentity) {
    this.#aws = aws;
    this.#cluster = cluster;
    this.#identity = identity;
  }

  /** Those of this node, stopped ones as long as ECS shows them. */
  async all(context: CallContext): Promise<readonly OwnedTask[]> {
    const listed = new Set([...(await this.#arns("RUNNING", context)), ...(await this.#arns("STOPPED", context))]);
    const foreign = new Set([...this.#foreign].filter((arn) => listed.has(arn)));
    const wanted = [...listed].filter((arn) => !foreign.has(arn));
    const owned: OwnedTask[] = [];
    for (let from = 0; from < wanted.length; from += describedAtOnce)
      for (const task of (await this.some(wanted.slice(from, from + describedAtOnce), context)).values()) {
        const owner = taskOwner(task, this.#identity);
        if (owner !== undefined) owned.push({ task, owner });
        else if (task.taskArn !== undefined) foreign.add(task.taskArn);
      }
    this.#foreign = foreign;
    return owned;
  }

  /** By ARN, at most a hundred; without those that ECS says it has not. */
  async some(arns: readonly string[], context: CallContext): Promise<ReadonlyMap<string, Task>> {
    if (arns.length === 0) return new Map();
    const { tasks = [], failures = [] } = await this.#aws.describeTasks(
      { cluster: this.#cluster, tasks: [...arns], include: ["TAGS"] },
      context,
    );
    const found = new Map(tasks.map((task) => [task.taskArn ?? "", task]));
    for (const { arn = "", reason = "", detail = "" } of failures)
      if (reason !== "MISSING")
        throw new VirtualKubeletError(
          "Unavailable",
          `DescribeTasks: ${reason} for ${arn}${detail === "" ? "" : `: ${detail}`}`,
        );
    const missing = new Set(failures.map(({ arn }) => arn));
    for (const arn of arns)
      if (!found.has(arn) && !missing.has(arn))
        throw new VirtualKubeletError("Unavailable", `DescribeTasks says nothing of ${arn}`);
    return found;
  }

  async #arns(desiredStatus: "RUNNING" | "STOPPED", context: CallContext): Promise<readonly string[]> {
    const arns: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await this.#aws.listTasks(
        { cluster: this.#cluster, desiredStatus, nextToken, maxResults: 100 },
        context,
      );
      arns.push(...(page.taskArns ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return arns;
  }
}
