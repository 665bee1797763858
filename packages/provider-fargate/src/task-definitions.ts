// Task definitions by content: pods of one template share one; those that no task needs any more are removed. Only families of this
// node are ever touched.
import type { Tag } from "@aws-sdk/client-ecs";
import {
  type CallContext,
  type Clock,
  isErrorKind,
  type PodOwner,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { familyOf, familyPrefix } from "./names.ts";
import { reducedDefinition } from "./reduced-definition.ts";
import type { TaskPlan } from "./task-plan.ts";

type Owner = Pick<PodOwner, "cluster" | "node">;

export interface TaskDefinitionsOptions {
  readonly aws: AwsApi;
  readonly owner: Owner;
  readonly tags: readonly Tag[];
  /** So long after its last use a definition stays, milliseconds. */
  readonly keepUnusedMs: number;
  readonly clock: Clock;
}

/** What AWS deletes with one call. */
const deletedAtOnce = 10;

export class TaskDefinitions {
  readonly #options: TaskDefinitionsOptions;
  /** ARN by family; a promise while it is asked for. */
  readonly #known = new Map<string, Promise<string>>();
  /** When a family was last used, or first seen. */
  readonly #usedAt = new Map<string, number>();

  constructor(options: TaskDefinitionsOptions) {
    this.#options = options;
  }

  /** ARN of a definition with this content, registered if need be. */
  async ensure(definition: TaskPlan["definition"], context: CallContext): Promise<string> {
    const family = this.familyOf(definition);
    this.#usedAt.set(family, this.#options.clock.now());
    const known = this.#known.get(family);
    if (known !== undefined) return known;
    const made = this.#make(family, definition, context);
    this.#known.set(family, made);
    try {
      return await made;
    } catch (error) {
      if (this.#known.get(family) === made) this.#known.delete(family);
      throw error;
    }
  }

  /** ARN of one that is as that one is, without these containers. Throws what isDefinitionGone knows where that one is not there any more. */
  async without(arn: string, containers: ReadonlySet<string>, context: CallContext): Promise<string> {
    const { taskDefinition } = await this.#options.aws.describeTaskDefinition({ taskDefinition: arn }, context);
    if (taskDefinition === undefined)
      throw new VirtualKubeletError("Unavailable", "DescribeTaskDefinition answered without one");
    return this.ensure(reducedDefinition(taskDefinition, containers), context);
  }

  familyOf(definition: TaskPlan["definition"]): string {
    return familyOf(this.#options.owner, JSON.stringify(definition));
  }

  /** It is not there any more, whoever removed it. */
  forget(definition: TaskPlan["definition"]): void {
    this.#known.delete(this.familyOf(definition));
  }

  /** Removes those that are in no use. `used`: families of tasks that run or begin to. */
  async clean(used: ReadonlySet<string>, context: CallContext): Promise<void> {
    const { aws, clock, keepUnusedMs } = this.#options;
    const now = clock.now();
    const families = await this.#families("ACTIVE", context);
    for (const family of used) this.#usedAt.set(family, now);
    for (const family of families) if (!this.#usedAt.has(family)) this.#usedAt.set(family, now);
    const idle = families.filter((family) => now - (this.#usedAt.get(family) ?? now) >= keepUnusedMs);
    for (const family of idle) {
      this.#known.delete(family);
      this.#usedAt.delete(family);
      for (const taskDefinition of await this.#arns(family, "ACTIVE", context))
        await aws.deregisterTaskDefinition({ taskDefinition }, context);
    }
    const inactive: string[] = [];
    for (const family of await this.#families("INACTIVE", context))
      inactive.push(...(await this.#arns(family, "INACTIVE", context)));
    for (let from = 0; from < inactive.length; from += deletedAtOnce)
      await aws.deleteTaskDefinitions({ taskDefinitions: inactive.slice(from, from + deletedAtOnce) }, context);
  }

  async #make(family: string, definition: TaskPlan["definition"], context: CallContext): Promise<string> {
    const { aws, tags } = this.#options;
    const found = await aws.listTaskDefinitions(
      { familyPrefix: family, status: "ACTIVE", sort: "DESC", maxResults: 1 },
      context,
    );
    const [existing] = found.taskDefinitionArns ?? [];
    if (existing !== undefined) return existing;
    const { taskDefinition } = await aws.registerTaskDefinition({ ...definition, family, tags: [...tags] }, context);
    if (taskDefinition?.taskDefinitionArn === undefined)
      throw new VirtualKubeletError("Unavailable", "RegisterTaskDefinition answered without an ARN");
    return taskDefinition.taskDefinitionArn;
  }

  async #families(status: "ACTIVE" | "INACTIVE", context: CallContext): Promise<readonly string[]> {
    const { aws, owner } = this.#options;
    const prefix = familyPrefix(owner);
    const all: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await aws.listTaskDefinitionFamilies(
        { familyPrefix: prefix, status, nextToken, maxResults: 100 },
        context,
      );
      all.push(...(page.families ?? []).filter((family) => family.startsWith(prefix)));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return all;
  }

  async #arns(family: string, status: "ACTIVE" | "INACTIVE", context: CallContext): Promise<readonly string[]> {
    const page = await this.#options.aws.listTaskDefinitions(
      { familyPrefix: family, status, maxResults: 100 },
      context,
      "later",
    );
    return page.taskDefinitionArns ?? [];
  }
}

/** RunTask says so of a definition that was removed meanwhile. */
export function isDefinitionGone(error: unknown): boolean {
  return (
    isErrorKind(error, "Invalid") &&
    error instanceof Error &&
    /task ?definition.*(inactive|not found|does not exist)|unable to describe task definition/i.test(error.message)
  );
}
