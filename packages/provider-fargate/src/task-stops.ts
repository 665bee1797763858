// Stops tasks that have nothing more to do, and those of which a container is to run again that ECS starts no more.
import type { Task } from "@aws-sdk/client-ecs";
import { type CallContext, type Clock, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { doneSoFar, earlyEnds, stopDueAt, withEarlyEnds } from "./early-ends.ts";
import { type StopReason, stopReasonText } from "./stop-reason.ts";
import { failuresBefore } from "./task-retry.ts";
import type { TaskStarter } from "./task-starter.ts";

export interface TaskStopsOptions {
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
    this.#stop(taskArn, { type: "ended" });
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
      this.#stop(taskArn, { type: "again", done: doneSoFar(task), failures: failuresBefore(task, since) });
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

  /** One that could not be stopped is told again by a later look. */
  #stop(taskArn: string, reason: StopReason): void {
    if (this.#begun.has(taskArn)) return;
    this.#begun.add(taskArn);
    const { starter, log } = this.#options;
    const context: CallContext = { signal: this.#closing.signal, log };
    const work = starter
      .stop(taskArn, stopReasonText(reason), context)
      .catch((error: unknown) => {
        this.#begun.delete(taskArn);
        if (!this.#closing.signal.aborted)
          log.warn({ task: taskArn, err: errorText(error) }, "a task that is over cannot be stopped yet");
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }
}
