// Stops tasks that have nothing more to do, and those of which a container is to run again that ECS starts no more.
import type { Task } from "@aws-sdk/client-ecs";
import { type CallContext, type Clock, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AwsApi } from "./aws-api.ts";
import { lateTag } from "./container-ends.ts";
import { mostCharacters } from "./container-facts.ts";
import { doneSoFar, earlyEnds, stopDueAt, withEarlyEnds } from "./early-ends.ts";
import { stopReasonText } from "./stop-reason.ts";
import { failuresBefore } from "./task-retry.ts";
import type { TaskStarter } from "./task-starter.ts";

export interface TaskStopsOptions {
  readonly aws: Pick<AwsApi, "tagResource">;
  readonly starter: Pick<TaskStarter, "stop">;
  readonly clock: Clock;
  readonly log: Logger;
}

export class TaskStops {
  readonly #options: TaskStopsOptions;
  readonly #begun = new Set<string>();
  /** Since when containers of a task wait for their next run, epoch milliseconds. */
  readonly #early = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: TaskStopsOptions) {
    this.#options = options;
  }

  /** Its main containers have ended: nothing but our keeper, or sidecars, run. Never throws. */
  over(taskArn: string): void {
    this.#begin(taskArn, (context) => this.#options.starter.stop(taskArn, stopReasonText({ type: "ended" }), context));
  }

  /**
   * The group as it is told, with containers that wait for their next run; with `isWanted` the task is stopped for that when it is time.
   * Never throws.
   */
  early(task: Task, group: CloudGroup, isWanted: boolean): CloudGroup {
    const { taskArn = "" } = task;
    const names = earlyEnds(task);
    if (names.length === 0) {
      this.#early.delete(taskArn);
      return group;
    }
    const now = this.#options.clock.now();
    const since = this.#early.get(taskArn) ?? now;
    this.#early.set(taskArn, since);
    const dueAt = stopDueAt(task, names, since);
    if (isWanted && dueAt !== undefined && now >= dueAt)
      this.#begin(taskArn, (context) => this.#startAnew(task, failuresBefore(task, since), context));
    return withEarlyEnds(group, task, names, { since, dueAt });
  }

  /** Drops the tasks that ECS shows no more. */
  keep(taskArns: ReadonlySet<string>): void {
    for (const arn of this.#begun) if (!taskArns.has(arn)) this.#begun.delete(arn);
    for (const arn of this.#early.keys()) if (!taskArns.has(arn)) this.#early.delete(arn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#underWay);
  }

  /** Who ended well since the look is not to run again either. */
  async #startAnew(task: Task, failures: number, context: CallContext): Promise<void> {
    const { aws, starter, log } = this.#options;
    const { taskArn = "" } = task;
    const done = doneSoFar(task);
    const containers = await starter.stop(taskArn, stopReasonText({ type: "again", done, failures }), context);
    const late = doneSoFar({ ...task, containers: [...containers] }).filter((name) => !done.includes(name));
    if (late.length === 0) return;
    const value = late.reduce((text, name) => (text.length + name.length < mostCharacters ? `${text} ${name}` : text));
    try {
      await aws.tagResource({ resourceArn: taskArn, tags: [{ key: lateTag, value }] }, context, "now");
    } catch (error) {
      if (!context.signal.aborted)
        log.warn(
          { task: taskArn, err: errorText(error), containers: late },
          "containers that have ended run once more",
        );
    }
  }

  /** One that could not be stopped is told again by a later look. */
  #begin(taskArn: string, stop: (context: CallContext) => Promise<unknown>): void {
    if (this.#begun.has(taskArn)) return;
    this.#begun.add(taskArn);
    const { log } = this.#options;
    const work = stop({ signal: this.#closing.signal, log })
      .catch((error: unknown) => {
        this.#begun.delete(taskArn);
        if (!this.#closing.signal.aborted)
          log.warn({ task: taskArn, err: errorText(error) }, "a task that is over cannot be stopped yet");
      })
      .then(() => {})
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }
}
