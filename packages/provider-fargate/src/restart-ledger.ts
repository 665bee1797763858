// How often containers were started again, by the runtime's id of each run: ECS itself counts nothing that it tells. Counts begin with
// this process.

interface Seen {
  readonly runtimeId: string;
  readonly count: number;
}

export class RestartLedger {
  readonly #tasks = new Map<string, Map<string, Seen>>();

  count(taskArn: string, container: string, runtimeId: string | undefined): number {
    const containers = this.#tasks.get(taskArn) ?? new Map<string, Seen>();
    const before = containers.get(container);
    if (runtimeId === undefined || before?.runtimeId === runtimeId) return before?.count ?? 0;
    const count = before === undefined ? 0 : before.count + 1;
    containers.set(container, { runtimeId, count });
    this.#tasks.set(taskArn, containers);
    return count;
  }

  /** Drops the tasks that are no more. */
  keep(taskArns: ReadonlySet<string>): void {
    for (const arn of this.#tasks.keys()) if (!taskArns.has(arn)) this.#tasks.delete(arn);
  }
}
