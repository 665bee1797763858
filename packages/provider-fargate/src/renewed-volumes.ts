// What volumes of running pods were given since they were made, by pod: handed to the task, and to the next one where that is run in its
// place, which begins with what the first was made with. Held in memory as long as the pod is there.
import type { Task } from "@aws-sdk/client-ecs";
import {
  type CallContext,
  type Clock,
  errorText,
  isErrorKind,
  type Logger,
  type PodRequest,
  type ResolvedVolume,
} from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup, GroupContainer, GroupRef } from "@virtual-kubelet/virtual-kubelet/cloud";
import { keeperContainer } from "./names.ts";
import { renewVolumes } from "./volume-renewals.ts";

export interface FoundTask {
  /** Of the pod's newest task. */
  readonly id: string;
  readonly task: Task | undefined;
  /** Another is run in its place. */
  readonly waits: boolean;
}

export interface RenewedVolumesOptions {
  readonly find: (group: GroupRef, context: CallContext) => Promise<FoundTask>;
  /** Runs a command in a container; resolves with its exit code. */
  readonly run: (
    target: GroupContainer,
    command: readonly string[],
    input: Buffer,
    context: CallContext,
  ) => Promise<number>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Given {
  readonly request: PodRequest;
  readonly volumes: readonly ResolvedVolume[];
  /** The task that has them. */
  readonly task: string;
  /** Epoch milliseconds. */
  readonly notBefore: number;
}

/** Between two tries. */
const againMs = 30_000;

export class RenewedVolumes {
  readonly #options: RenewedVolumesOptions;
  readonly #given = new Map<string, Given>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: RenewedVolumesOptions) {
    this.#options = options;
  }

  /** As CloudBackend.updateVolumes. */
  async update(
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void> {
    const { uid } = group.owner;
    const found = await this.#options.find(group, context);
    await this.#write(found, group, request, volumes, context);
    const names = new Set(volumes.map(({ name }) => name));
    const before = (this.#given.get(uid)?.volumes ?? []).filter(({ name }) => !names.has(name));
    this.#given.set(uid, { request, volumes: [...before, ...volumes], task: found.id, notBefore: 0 });
  }

  /** A look at a pod's newest task: one that was run since gets what the one before had, in the background. Never throws. */
  see(task: Task, group: CloudGroup): void {
    const { uid } = group.owner;
    const given = this.#given.get(uid);
    const { taskArn = "", desiredStatus, containers = [] } = task;
    if (given === undefined || given.task === taskArn || this.#underWay.has(uid)) return;
    const keeper = containers.find(({ name }) => name === keeperContainer)?.lastStatus;
    if (desiredStatus !== "RUNNING" || keeper !== "RUNNING") return;
    if (this.#options.clock.now() < given.notBefore || this.#stop.signal.aborted) return;
    const work = this.#again(task, taskArn, group, given).finally(() => this.#underWay.delete(uid));
    this.#underWay.set(uid, work);
  }

  /** Drops pods that are no more. */
  keep(uids: ReadonlySet<string>): void {
    for (const uid of this.#given.keys()) if (!uids.has(uid)) this.#given.delete(uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#underWay.values());
  }

  /** Never rejects. */
  async #again(task: Task, id: string, group: CloudGroup, given: Given): Promise<void> {
    const { clock, log } = this.#options;
    const context: CallContext = { signal: this.#stop.signal, log };
    const { uid } = group.owner;
    const isCurrent = (): boolean => this.#given.get(uid) === given;
    try {
      await this.#write({ id, task, waits: false }, group, given.request, given.volumes, context);
      if (isCurrent()) this.#given.set(uid, { ...given, task: id });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const isHopeless = isErrorKind(error, "Unsupported", "Invalid");
      if (isCurrent())
        this.#given.set(uid, { ...given, task: isHopeless ? id : given.task, notBefore: clock.now() + againMs });
      log.warn({ task: id, err: errorText(error) }, "volumes of a task that was run again are not renewed yet");
    }
  }

  async #write(
    { id, task, waits }: FoundTask,
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void> {
    const keeper = { group: { ...group, id }, container: keeperContainer };
    await renewVolumes(task, waits, request, volumes, (command, input) =>
      this.#options.run(keeper, command, input, context),
    );
  }
}
