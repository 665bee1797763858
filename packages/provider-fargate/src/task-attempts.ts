// The tasks of each pod, where the first was not enough: the newest counts, and the next is run when its time has come. One at a time:
// the next attempt is made of a task that has stopped, and its client token stands for the pod and the attempt.
import type { Task } from "@aws-sdk/client-ecs";
import { type CallContext, type Clock, errorText, isErrorKind, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";
import { doneIn } from "./container-ends.ts";
import { isDefinitionGone, type TaskDefinitions } from "./task-definitions.ts";
import type { OwnedTask } from "./task-reader.ts";
import { attemptOf, retryDelayMs, retryDueAt, retryInput } from "./task-retry.ts";
import type { TaskStarter } from "./task-starter.ts";

export interface TaskAttemptsOptions {
  readonly starter: Pick<TaskStarter, "run">;
  readonly definitions: Pick<TaskDefinitions, "without">;
  readonly config: FargateConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Newest {
  readonly arn: string;
  readonly attempt: number;
  /** The one before, while ECS may not show the newest yet. */
  readonly before: Task | undefined;
  /** When this process ran it, epoch milliseconds. */
  readonly ranAt: number;
}

/** For so long ECS may not show a task that it has accepted. */
const consistencyMs = 30_000;

export class TaskAttempts {
  readonly #options: TaskAttemptsOptions;
  readonly #newest = new Map<string, Newest>();
  /** Pods that are to end, by UID, and since when: nothing is run for them any more. */
  readonly #closed = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<void>>();
  /** By UID: the next attempt could not be run before. */
  readonly #notBefore = new Map<string, number>();
  /** UIDs of pods whose definition is not there any more. */
  readonly #hopeless = new Set<string>();
  readonly #stop = new AbortController();

  constructor(options: TaskAttemptsOptions) {
    this.#options = options;
  }

  /** Of each pod its newest task. */
  newest(tasks: readonly OwnedTask[]): readonly OwnedTask[] {
    const found = new Map<string, OwnedTask>();
    for (const each of tasks) {
      const { uid } = each.owner.owner;
      const other = found.get(uid);
      if (other === undefined || attemptOf(each.task) > attemptOf(other.task)) found.set(uid, each);
    }
    for (const [uid, { task }] of found) this.#see(uid, task);
    const shownUntil = this.#options.clock.now() - consistencyMs;
    for (const [uid, { ranAt }] of this.#newest) if (!found.has(uid) && ranAt <= shownUntil) this.#forget(uid);
    for (const [uid, at] of this.#closed) if (!found.has(uid) && at <= shownUntil) this.#closed.delete(uid);
    return [...found.values()];
  }

  /** ARN of the pod's newest task; `arn` where no other is known. */
  current(uid: string, arn: string): string {
    return this.#newest.get(uid)?.arn ?? arn;
  }

  /** What stands for a task that ECS does not show yet. */
  standIn(uid: string): Task | undefined {
    const newest = this.#newest.get(uid);
    if (newest === undefined || this.#options.clock.now() - newest.ranAt >= consistencyMs) return undefined;
    return newest.before;
  }

  /** False: the pod is to end, or its definition is gone. */
  goesOn(uid: string): boolean {
    return !this.#closed.has(uid) && !this.#hopeless.has(uid);
  }

  /** Nothing more is run for the pod. Resolves when nothing is on its way; never rejects. */
  async close(uid: string): Promise<void> {
    this.#closed.set(uid, this.#options.clock.now());
    await this.#underWay.get(uid);
  }

  /** Runs the next attempt after this task, which ended by itself, where it is time. Never throws. */
  begin(task: Task, uid: string): void {
    const { clock } = this.#options;
    const newest = this.#newest.get(uid);
    const isOld = newest !== undefined && newest.attempt > attemptOf(task);
    const dueAt = Math.max(retryDueAt(task), this.#notBefore.get(uid) ?? 0);
    if (task.lastStatus !== "STOPPED" || isOld || clock.now() < dueAt) return;
    if (!this.goesOn(uid) || this.#underWay.has(uid) || this.#stop.signal.aborted) return;
    const work = this.#run(task, uid).finally(() => this.#underWay.delete(uid));
    this.#underWay.set(uid, work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. What failed without an answer is asked for again by the same token. */
  async #run(task: Task, uid: string): Promise<void> {
    const { starter, definitions, config, clock, log } = this.#options;
    const context: CallContext = { signal: this.#stop.signal, log };
    const attempt = attemptOf(task) + 1;
    try {
      const input = retryInput(task, uid, config);
      const done = doneIn(task);
      const taskDefinition =
        done.size === 0 ? input.taskDefinition : await definitions.without(input.taskDefinition ?? "", done, context);
      const arn = await starter.run({ ...input, taskDefinition }, context);
      this.#newest.set(uid, { arn, attempt, before: task, ranAt: clock.now() });
      this.#notBefore.delete(uid);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isDefinitionGone(error)) this.#hopeless.add(uid);
      this.#notBefore.set(uid, clock.now() + retryDelayMs(isErrorKind(error, "Throttled") ? 0 : attempt));
      log.warn({ task: task.taskArn, err: errorText(error) }, "a task that ended by itself cannot be run again yet");
    }
  }

  #see(uid: string, task: Task): void {
    const known = this.#newest.get(uid);
    const attempt = attemptOf(task);
    if (task.taskArn === undefined || (known !== undefined && known.attempt >= attempt)) return;
    this.#newest.set(uid, { arn: task.taskArn, attempt, before: undefined, ranAt: Number.NEGATIVE_INFINITY });
  }

  #forget(uid: string): void {
    this.#newest.delete(uid);
    this.#notBefore.delete(uid);
    this.#hopeless.delete(uid);
  }
}
