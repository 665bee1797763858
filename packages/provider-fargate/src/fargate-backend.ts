// Fargate as a cloud that runs whole pods: each pod a task of ECS.
import type { Task } from "@aws-sdk/client-ecs";
import {
  type CallContext,
  type Clock,
  type Container,
  errorText,
  isErrorKind,
  type Logger,
  type NodeReport,
  type PodFailure,
  type PodRequest,
  type ProbeType,
} from "@virtual-kubelet/virtual-kubelet";
import {
  type CloudBackend,
  type CloudGroup,
  type CreateNote,
  type GroupContainer,
  type GroupRef,
  ownerTags,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import { AccountSetup } from "./account-setup.ts";
import type { AwsApi } from "./aws-api.ts";
import { billedSize } from "./billed-size.ts";
import { CleanUp } from "./clean-up.ts";
import type { FargateConfig } from "./config.ts";
import { containerLogs } from "./container-logs.ts";
import { nativeProbe } from "./health-check.ts";
import { watchedNode } from "./node-report.ts";
import { type FoundTask, RenewedVolumes } from "./renewed-volumes.ts";
import { RunRecords } from "./run-records.ts";
import { openSsmSession } from "./ssm/open-session.ts";
import { stopReasonText } from "./stop-reason.ts";
import { attachByLogs } from "./task-attach.ts";
import { TaskAttempts } from "./task-attempts.ts";
import { TaskDefinitions } from "./task-definitions.ts";
import { execInTask, runInTask, terminateInTask } from "./task-exec.ts";
import type { TaskOwner } from "./task-owner.ts";
import { tagList } from "./task-parts.ts";
import type { TaskPlan } from "./task-plan.ts";
import { taskPushes } from "./task-pushes.ts";
import { describedAtOnce, TaskReader } from "./task-reader.ts";
import { TaskRemains } from "./task-remains.ts";
import { isGone, taskReport } from "./task-report.ts";
import { isRunAgain } from "./task-retry.ts";
import { TaskSecrets } from "./task-secrets.ts";
import { TaskStarter } from "./task-starter.ts";
import { TaskStats } from "./task-stats.ts";
import { TaskStops } from "./task-stops.ts";
import { renewsVolumes, translate } from "./translate.ts";
import { waitingGroup } from "./waiting-group.ts";

export interface FargateBackendOptions {
  readonly aws: AwsApi;
  readonly config: FargateConfig;
  /** UID of the Kubernetes cluster. */
  readonly cluster: string;
  readonly node: string;
  /** Of the node, for pods that ask for it. Absent: who asks is refused. */
  readonly hostIPs?: readonly string[] | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds; default ten minutes. */
  readonly cleanUpEveryMs?: number | undefined;
}

export class FargateBackend implements CloudBackend {
  readonly type = "fargate";
  readonly describeAtOnce: number = describedAtOnce;
  /** By stopTimeout, as it was set at the creation. */
  readonly honoursGrace = true;
  declare readonly exec?: NonNullable<CloudBackend["exec"]>;
  declare readonly attach?: NonNullable<CloudBackend["attach"]>;
  declare readonly updateVolumes?: NonNullable<CloudBackend["updateVolumes"]>;
  declare readonly logs?: NonNullable<CloudBackend["logs"]>;
  declare readonly stats?: NonNullable<CloudBackend["stats"]>;
  declare readonly watch?: NonNullable<CloudBackend["watch"]>;
  readonly billedSize: NonNullable<CloudBackend["billedSize"]>;
  readonly #options: FargateBackendOptions;
  readonly #terminate: ((target: GroupContainer, context: CallContext) => Promise<void>) | undefined;
  readonly #setup: AccountSetup;
  readonly #starter: TaskStarter;
  readonly #attempts: TaskAttempts;
  readonly #secrets: TaskSecrets;
  readonly #reader: TaskReader;
  readonly #runs: RunRecords;
  readonly #volumes: RenewedVolumes | undefined;
  readonly #remains = new TaskRemains();
  readonly #stops: TaskStops;
  readonly #cleanUp: CleanUp;

  constructor(options: FargateBackendOptions) {
    const { aws, config, cluster, node, clock, log } = options;
    const owner = { cluster, node };
    const tags = tagList({ ...config.tags, "virtual-kubelet.io/cluster": cluster, "virtual-kubelet.io/node": node });
    const keepUnusedMs = config.taskDefinitions.keepUnusedSeconds * 1000;
    this.#options = options;
    this.billedSize = (pod) => billedSize(pod, config);
    this.#setup = new AccountSetup(aws, config);
    const definitions = new TaskDefinitions({ aws, owner, tags, keepUnusedMs, clock });
    this.#secrets = new TaskSecrets({ aws, owner, config, clock });
    this.#reader = new TaskReader(aws, config.cluster, { cluster, node, adoptGoTasks: config.adoptGoTasks });
    this.#starter = new TaskStarter({ aws, definitions, secrets: this.#secrets, cluster: config.cluster });
    this.#runs = new RunRecords({ aws, clock, log });
    this.#attempts = new TaskAttempts({ starter: this.#starter, definitions, config, clock, log });
    this.#stops = new TaskStops({ aws, starter: this.#starter, clock, log });
    this.#cleanUp = new CleanUp({ definitions, secrets: this.#secrets, clock, log, everyMs: options.cleanUpEveryMs });
    const shells = { aws, cluster: config.cluster, clock, open: openSsmSession };
    if (config.exec) {
      this.exec = (target, command, io, context) => execInTask(shells, target, command, io, context);
      this.#terminate = (target, context) => terminateInTask(shells, target, context);
      if (renewsVolumes(config)) {
        const volumes = new RenewedVolumes({
          ...{ clock, log, find: (group, context) => this.#taskOf(group, context) },
          run: (target, command, input, context) => runInTask(shells, target, command, input, context),
        });
        this.updateVolumes = (...update) => volumes.update(...update);
        this.#volumes = volumes;
      }
    }
    if (config.logs !== undefined) {
      const read = { aws, reader: this.#reader, runs: this.#runs, config, clock };
      this.logs = (target, wanted, context) => containerLogs(read, target, wanted, context);
      this.attach = (target, io, context) =>
        attachByLogs(target, io, (wanted) => containerLogs(read, target, wanted, context), context);
    }
    if (config.stats) {
      const stats = new TaskStats(aws, config.cluster, clock);
      this.stats = (groups, context) => stats.of(groups, context);
    }
    const { events } = config;
    if (events !== undefined) this.watch = (context) => taskPushes(aws, events.queueURL, context);
  }

  admit(request: PodRequest): void {
    this.#translated(request);
  }

  async create(
    request: PodRequest,
    context: CallContext,
  ): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }> {
    const plan = this.#translated(request);
    await this.#setup.ready(context);
    const id = await this.#starter.start(plan, request.owner, context);
    return { id: this.#attempts.current(request.owner.uid, id), notes: plan.notes };
  }

  async list(context: CallContext): Promise<readonly CloudGroup[]> {
    await this.#setup.ready(context);
    const tasks = await this.#reader.all(context);
    const arns = new Set(tasks.map(({ task }) => task.taskArn ?? ""));
    this.#runs.keep(arns);
    this.#volumes?.keep(new Set(tasks.map(({ owner }) => owner.owner.uid)));
    this.#remains.keep(arns);
    this.#stops.keep(arns);
    const newest = this.#attempts.newest(tasks);
    this.#cleanUp.begin(newest.filter(({ task, owner }) => task.lastStatus !== "STOPPED" || this.#waits(task, owner)));
    return newest.flatMap(({ task, owner }) => this.#group(task, owner, {}) ?? []);
  }

  async describe(refs: readonly GroupRef[], context: CallContext): Promise<readonly (CloudGroup | undefined)[]> {
    const arns = refs.map(({ id, owner }) => this.#attempts.current(owner.uid, id));
    const tasks = await this.#reader.some(arns, context);
    return refs.map(({ owner, isWanted }, index) => {
      const task = tasks.get(arns[index] ?? "") ?? this.#attempts.standIn(owner.uid);
      return task === undefined ? undefined : this.#group(task, { owner }, { isEndShown: true, isWanted });
    });
  }

  async remove(ref: GroupRef, _options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void> {
    await this.#attempts.close(ref.owner.uid);
    const arn = this.#attempts.current(ref.owner.uid, ref.id);
    await this.#starter.stop(arn, stopReasonText({ type: "deleted" }), context);
    this.#remains.deleted(arn);
    try {
      await this.#secrets.remove(ref.owner, context);
    } catch (error) {
      // Found again by the clean-up.
      if (isErrorKind(error, "Aborted")) throw error;
      context.log.warn({ err: errorText(error) }, "the secret of a pod that was deleted is still there");
    }
  }

  async stop(
    ref: GroupRef,
    { failure }: { readonly failure?: PodFailure | undefined },
    context: CallContext,
  ): Promise<void> {
    await this.#attempts.close(ref.owner.uid);
    const arn = this.#attempts.current(ref.owner.uid, ref.id);
    await this.#starter.stop(arn, stopReasonText({ type: "stopped", failure }), context);
    if (failure !== undefined) this.#remains.failed(arn, failure);
  }

  /**
   * ECS starts no container anew from outside, but one that ends: it is told to. One that does not heed that, or cannot be told, starts
   * anew with all of its task.
   */
  async restartContainer(target: GroupContainer, context: CallContext): Promise<void> {
    const { group, container } = target;
    const run = group.containers.find(({ name }) => name === container)?.containerID ?? "";
    if (this.#terminate !== undefined && this.#remains.beginsToEnd(group.id, `${container}/${run}`)) {
      await this.#terminate(target, context);
      return;
    }
    const arn = this.#attempts.current(group.owner.uid, group.id);
    const done = group.containers.flatMap(({ name, state }) => (state.terminated === undefined ? [] : [name]));
    await this.#starter.stop(arn, stopReasonText({ type: "again", done }), context);
  }

  /** Those of the Go provider become ours by it. */
  async updateMetadata(ref: GroupRef, { owner, revision }: PodRequest, context: CallContext): Promise<void> {
    const tags = tagList(ownerTags(owner, revision));
    try {
      await this.#options.aws.tagResource({ resourceArn: ref.id, tags }, context);
    } catch (error) {
      // One that has ended takes no tags, and needs none.
      if (!isErrorKind(error, "Invalid", "NotFound")) throw error;
    }
  }

  nativeProbes(container: Container): readonly ProbeType[] {
    const native = nativeProbe(container);
    return native === undefined ? [] : [native.type];
  }

  watchNode({ signal }: CallContext): AsyncIterable<NodeReport> {
    return watchedNode(this.#options.config, signal);
  }

  ping(context: CallContext): Promise<void> {
    return this.#setup.ping(context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp[Symbol.asyncDispose]();
    await this.#stops[Symbol.asyncDispose]();
    await this.#runs[Symbol.asyncDispose]();
    await this.#volumes?.[Symbol.asyncDispose]();
    await this.#attempts[Symbol.asyncDispose]();
    await this.#options.aws[Symbol.asyncDispose]();
  }

  #translated(request: PodRequest): TaskPlan {
    return translate(request, this.#options.config, this.#options.hostIPs);
  }

  /** Undefined: it counts as removed; with `isEndShown` after its end was shown once. `isWanted`: another task is run where it waits for one. */
  #group(
    task: Task,
    owner: TaskOwner,
    {
      isEndShown = false,
      isWanted = false,
    }: { readonly isEndShown?: boolean; readonly isWanted?: boolean | undefined },
  ): CloudGroup | undefined {
    const { taskArn = "" } = task;
    const isDeleted = isGone(task) || (task.lastStatus === "STOPPED" && this.#remains.isDeleted(taskArn));
    if (isDeleted && !isEndShown) return undefined;
    if (isDeleted && !this.#remains.showsEnd(taskArn)) return undefined;
    const { group, isOver } = taskReport(task, owner, (container, facts) => this.#runs.see(taskArn, container, facts));
    if (owner.clusterUnknown === undefined) this.#runs.save(task);
    this.#volumes?.see(task, group);
    if (this.#waits(task, owner)) {
      if (isWanted) this.#attempts.begin(task, owner.owner.uid);
      return waitingGroup(task, group);
    }
    if (isOver) this.#stops.over(taskArn);
    if (owner.clusterUnknown === undefined && this.#attempts.goesOn(owner.owner.uid) && group.stage !== "ended")
      return this.#stops.early(task, group, isWanted && !isOver);
    const told = group.stage === "ended" ? this.#remains.failureOf(taskArn) : undefined;
    // ECS keeps why it had stopped by itself, though the pod went on.
    const failure = isRunAgain(task) ? (told ?? group.failure) : (group.failure ?? told);
    return failure === undefined ? group : { ...group, failure };
  }

  async #taskOf(group: GroupRef, context: CallContext): Promise<FoundTask> {
    const id = this.#attempts.current(group.owner.uid, group.id);
    const task = (await this.#reader.some([id], context)).get(id);
    return { id, task, waits: task !== undefined && this.#waits(task, group) };
  }

  /** Its pod waits for another task. */
  #waits(task: Task, { owner: { uid }, clusterUnknown }: TaskOwner): boolean {
    return clusterUnknown === undefined && this.#attempts.goesOn(uid) && isRunAgain(task);
  }
}
