// What is known of the runs of containers, kept with their tasks: a program that starts later goes on with it. One write for each run
// that could be followed by another.
import type { Container, Tag, Task } from "@aws-sdk/client-ecs";
import { type CallContext, type Clock, errorText, isErrorKind, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { type ContainerFacts, factsOf, factsText } from "./container-facts.ts";
import { type ContainerRuns, type RunSeen, runEnd, runsAfter } from "./container-runs.ts";
import { containerTag } from "./names.ts";
import { tagsOf } from "./task-owner.ts";

export interface RunRecordsOptions {
  readonly aws: Pick<AwsApi, "tagResource">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is known of a container's runs in a task. */
export interface KnownRuns {
  readonly runs: ContainerRuns;
  /** Of the present run, by this program. */
  readonly seen: RunSeen | undefined;
  /** Id of the task that it ended in for good; undefined: this one. */
  readonly task: string | undefined;
}

interface Known extends KnownRuns {
  /** As last read from the task's tags, or written there. */
  readonly kept: ContainerRuns | undefined;
}

/** ECS starts no container again that ran for less than a minute: what is over before half of it needs no record of its first run. */
const firstRecordMs = 30_000;

export class RunRecords {
  readonly #options: RunRecordsOptions;
  readonly #tasks = new Map<string, Map<string, Known>>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #isForbidden = false;

  constructor(options: RunRecordsOptions) {
    this.#options = options;
  }

  /** What is known of a container's runs, with what this look shows. */
  see(taskArn: string, container: Container, { runs: kept, finished }: ContainerFacts): ContainerRuns {
    const { name = "" } = container;
    const containers = this.#tasks.get(taskArn) ?? new Map<string, Known>();
    const before = containers.get(name);
    const now = this.#options.clock.now();
    const runs = runsAfter(before?.runs ?? kept, before?.seen, container, now);
    const how = runEnd(container);
    const earlier = runs.runtimeId === before?.runs.runtimeId ? before?.seen?.end : undefined;
    const end = how === undefined ? earlier : { how, at: earlier?.at ?? now };
    const seen = { at: now, end };
    containers.set(name, { runs, seen, task: finished?.task, kept: before === undefined ? kept : before.kept });
    this.#tasks.set(taskArn, containers);
    return runs;
  }

  /** Undefined: no look has shown it. */
  of(taskArn: string, container: string): KnownRuns | undefined {
    return this.#tasks.get(taskArn)?.get(container);
  }

  /** Writes what is not kept yet, in the background. Never throws. */
  save(task: Task): void {
    const { taskArn = "", lastStatus, desiredStatus, startedAt } = task;
    if (lastStatus !== "RUNNING" || desiredStatus !== "RUNNING" || this.#isForbidden) return;
    if (this.#underWay.has(taskArn) || this.#stop.signal.aborted) return;
    const isYoung = this.#options.clock.now() - (startedAt?.getTime() ?? 0) < firstRecordMs;
    const tags = tagsOf(task);
    const written: [string, Known][] = [];
    for (const [name, known] of this.#tasks.get(taskArn) ?? []) {
      const { kind, policy } = factsOf(name, tags);
      const { runs, kept } = known;
      if (kind === "init" || (policy !== "Always" && policy !== "OnFailure")) continue;
      if (runs.runtimeId === undefined || runs.runtimeId === kept?.runtimeId) continue;
      if (isYoung && runs.count === (kept?.count ?? 0)) continue;
      written.push([name, known]);
    }
    if (written.length === 0) return;
    const work = this.#write(taskArn, written, tags).finally(() => this.#underWay.delete(taskArn));
    this.#underWay.set(taskArn, work);
  }

  /** Drops the tasks that are no more. */
  keep(taskArns: ReadonlySet<string>): void {
    for (const arn of this.#tasks.keys()) if (!taskArns.has(arn)) this.#tasks.delete(arn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. What could not be written is tried again with the next look. */
  async #write(
    resourceArn: string,
    written: readonly (readonly [string, Known])[],
    tags: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { aws, log } = this.#options;
    const context: CallContext = { signal: this.#stop.signal, log };
    const changed = written.map(([name, { runs }]): Tag => {
      return { key: containerTag(name), value: factsText({ ...factsOf(name, tags), runs }) };
    });
    try {
      await aws.tagResource({ resourceArn, tags: changed }, context, "later");
    } catch (error) {
      if (this.#stop.signal.aborted || isErrorKind(error, "Throttled", "Unavailable", "Unauthorized")) return;
      // One that has ended takes no tags, and needs none.
      this.#isForbidden = isErrorKind(error, "Forbidden");
      log.warn({ task: resourceArn, err: errorText(error) }, "restarts of a task are counted, but not kept with it");
    }
    const containers = this.#tasks.get(resourceArn);
    for (const [name, { runs }] of written) {
      const now = containers?.get(name);
      if (now !== undefined) containers?.set(name, { ...now, kept: runs });
    }
  }
}
