// What this process knows of tasks beyond what ECS tells: those that were deleted after they had ended, failures of those that could
// be told none any more, runs of containers that were told to end.
import type { PodFailure } from "@virtual-kubelet/virtual-kubelet";

export class TaskRemains {
  readonly #deleted = new Set<string>();
  readonly #failures = new Map<string, PodFailure>();
  readonly #shown = new Set<string>();
  /** Runs of containers, by task. */
  readonly #told = new Map<string, Set<string>>();

  deleted(taskArn: string): void {
    this.#deleted.add(taskArn);
  }

  isDeleted(taskArn: string): boolean {
    return this.#deleted.has(taskArn);
  }

  failed(taskArn: string, failure: PodFailure): void {
    this.#failures.set(taskArn, failure);
  }

  failureOf(taskArn: string): PodFailure | undefined {
    return this.#failures.get(taskArn);
  }

  /** Its end is shown once, with the codes of its containers. */
  showsEnd(taskArn: string): boolean {
    if (this.#shown.has(taskArn)) return false;
    this.#shown.add(taskArn);
    return true;
  }

  /** A run of a container is told to end. False: it was told before. */
  beginsToEnd(taskArn: string, run: string): boolean {
    const runs = this.#told.get(taskArn) ?? new Set();
    if (runs.has(run)) return false;
    this.#told.set(taskArn, runs.add(run));
    return true;
  }

  /** Drops the tasks that ECS shows no more. */
  keep(taskArns: ReadonlySet<string>): void {
    for (const known of [this.#deleted, this.#shown])
      for (const arn of known) if (!taskArns.has(arn)) known.delete(arn);
    for (const arn of this.#told.keys()) if (!taskArns.has(arn)) this.#told.delete(arn);
    for (const arn of this.#failures.keys()) if (!taskArns.has(arn)) this.#failures.delete(arn);
  }
}
