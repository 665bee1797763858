// Nomad as a cloud that runs whole pods: each pod a job with one allocation.
import type { Duplex } from "node:stream";
import {
  type CallContext,
  type Clock,
  type Container,
  type ContainerIO,
  type ContainerLogOptions,
  type ContainerLogs,
  type ExecResult,
  isErrorKind,
  type Logger,
  type NodeReport,
  type PodFailure,
  type PodRequest,
  type PodStats,
  type ProbeType,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type {
  CloudBackend,
  CloudGroup,
  CreateNote,
  GroupContainer,
  GroupRef,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import { attemptsOf } from "./attempts.ts";
import type { NomadConfig } from "./config.ts";
import { FleetWatch } from "./fleet-watch.ts";
import { JobRemains } from "./job-remains.ts";
import { jobOwner, jobReport } from "./job-report.ts";
import { JobWatch } from "./job-watch.ts";
import { JobWrites } from "./job-writes.ts";
import { failureKey, filesPath } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import { unplaced } from "./placement.ts";
import { forwardPort } from "./port-forward.ts";
import { RunLogs } from "./run-logs.ts";
import { taskLogs } from "./task-logs.ts";
import { TaskStats } from "./task-stats.ts";
import { translate } from "./translate.ts";
import { VariableSweep } from "./variable-sweep.ts";
import { updatedItems } from "./volume-updates.ts";
import type { NomadJobStub } from "./wire.ts";

export interface NomadBackendOptions {
  readonly client: NomadClient;
  readonly config: NomadConfig;
  /** UID of the Kubernetes cluster. */
  readonly cluster: string;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between two looks at a task whose log is followed, milliseconds; default 2000. */
  readonly followEveryMs?: number | undefined;
}

export class NomadBackend implements CloudBackend {
  readonly type = "nomad";
  readonly describeAtOnce = 8;
  /** By the kill timeout, as it was set at the creation. */
  readonly honoursGrace = true;
  readonly #options: NomadBackendOptions;
  readonly #client: NomadClient;
  readonly #fleet: FleetWatch;
  readonly #watch: JobWatch;
  readonly #stats: TaskStats;
  readonly #remains: JobRemains;
  readonly #writes = new JobWrites();
  readonly #runs: RunLogs;
  readonly #sweep: VariableSweep;

  constructor(options: NomadBackendOptions) {
    const { client, config, clock, log } = options;
    this.#options = options;
    this.#client = client;
    this.#fleet = new FleetWatch(client, config, clock);
    this.#watch = new JobWatch(client, clock);
    this.#stats = new TaskStats(client, () => this.#fleet.fleet.mhzPerCore);
    this.#remains = new JobRemains(client, log, this.#writes);
    this.#sweep = new VariableSweep({ client, owner: options, clock, log });
    this.#runs = new RunLogs(client, options, log, this.#writes);
  }

  admit(request: PodRequest): void {
    translate(request, this.#options.config, this.#fleet.fleet);
  }

  async create(
    request: PodRequest,
    context: CallContext,
  ): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }> {
    const { job, variables, notes } = translate(request, this.#options.config, await this.#fleet.ready(context));
    await this.#sweep.claimed(job.ID, async () => {
      // Tasks that start without their variables fail.
      for (const variable of variables) await this.#client.putVariable(variable, context);
      try {
        await this.#client.registerJob(job, { jobModifyIndex: 0 }, context);
      } catch (error) {
        if (isErrorKind(error, "Invalid")) await this.#remains.forget(job.ID, context);
        // It is there already: an answer was lost.
        if (!isErrorKind(error, "Conflict")) throw error;
      }
      this.#remains.begin(job.ID);
    });
    return { id: job.ID, notes };
  }

  async list(context: CallContext): Promise<readonly CloudGroup[]> {
    const { cluster, node } = this.#options;
    const filter = [
      `Meta["virtual-kubelet.io/cluster"] == ${JSON.stringify(cluster)}`,
      `Meta["virtual-kubelet.io/node"] == ${JSON.stringify(node)}`,
    ].join(" and ");
    const jobs = await this.#client.listJobs({ filter }, context);
    const ids = new Set(jobs.map(({ ID }) => ID));
    this.#remains.keep(ids);
    this.#runs.keep(ids);
    this.#sweep.begin();
    return jobs.flatMap((job) => this.#partial(job) ?? []);
  }

  describe(refs: readonly GroupRef[], context: CallContext): Promise<readonly (CloudGroup | undefined)[]> {
    return Promise.all(refs.map((ref) => this.#group(ref, context)));
  }

  /** The job goes only when its tasks have ended: until then it shows how they do. */
  async remove(ref: GroupRef, _options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void> {
    const allocations = await this.#client.jobAllocations(ref.id, context);
    if ((await this.#client.job(ref.id, context)) === undefined) {
      // Nomad itself forgets jobs that have ended, and keeps what they were given.
      await this.#writes.leave(ref.id);
      await this.#remains.forget(ref.id, context);
      throw new VirtualKubeletError("NotFound", `Nomad has no job ${ref.id}`);
    }
    await this.#remains.remove(ref.id, allocations, context);
  }

  async stop(
    ref: GroupRef,
    { failure }: { readonly failure?: PodFailure | undefined },
    context: CallContext,
  ): Promise<void> {
    await this.#client.stopJob(ref.id, failure === undefined ? {} : { [failureKey]: JSON.stringify(failure) }, context);
  }

  terminate({ group, container }: GroupContainer, context: CallContext): Promise<void> {
    return this.#client.signalTask(allocationOf(group), container, "SIGTERM", context);
  }

  async restartContainer({ group, container }: GroupContainer, context: CallContext): Promise<void> {
    const allocation = allocationOf(group);
    await this.#client.restartTask(allocation, container, context);
    // It has ended; the next run begins in a moment.
    const run = group.containers.find(({ name }) => name === container)?.restartCount ?? 0;
    await this.#runs.ended({ id: group.id, allocation, task: container, run }, context);
  }

  async updateVolumes(
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void> {
    const variable = await this.#client.variable(filesPath(group.id), context);
    if (variable === undefined) return;
    const { items, missing } = updatedItems(variable.Items, volumes);
    for (const path of missing)
      context.log.info(
        { pod: request.owner.name, path },
        "a file that is new or too large reaches no running task of Nomad",
      );
    if (items === undefined) return;
    await this.#writes.write(group.id, () => this.#client.putVariable({ Path: variable.Path, Items: items }, context));
  }

  nativeProbes(_container: Container): readonly ProbeType[] {
    return [];
  }

  exec(
    { group, container }: GroupContainer,
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult> {
    return this.#client.exec({ allocation: allocationOf(group), task: container }, command, io, context);
  }

  logs(
    { group, container }: GroupContainer,
    options: ContainerLogOptions,
    context: CallContext,
  ): Promise<ContainerLogs> {
    const { client, clock, followEveryMs } = this.#options;
    const of = { id: group.id, allocation: allocationOf(group), task: container };
    const range = (run: number) => this.#runs.range({ ...of, run }, context);
    return taskLogs({ client, clock, ...of, range, everyMs: followEveryMs }, options, context);
  }

  portForward(group: CloudGroup, port: number, connection: Duplex, context: CallContext): Promise<void> {
    return forwardPort(this.#client, group, port, connection, context);
  }

  stats(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>> {
    return this.#stats.of(groups, context);
  }

  watchNode(context: CallContext): AsyncIterable<NodeReport> {
    return this.#fleet.watch(context);
  }

  async ping(context: CallContext): Promise<void> {
    const leader = await this.#client.leader(context);
    if (leader === "") throw new VirtualKubeletError("Unavailable", "the servers of Nomad have no leader");
  }

  watch(context: CallContext): AsyncIterable<{ readonly id: string }> {
    return this.#watch.changes(context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remains[Symbol.asyncDispose]();
    await this.#runs[Symbol.asyncDispose]();
    await this.#sweep[Symbol.asyncDispose]();
    await this.#client[Symbol.asyncDispose]();
  }

  /** Undefined: not of this node and cluster. */
  #partial({ ID, Meta, Status, Stop }: NomadJobStub): CloudGroup | undefined {
    const owner = jobOwner(Meta, this.#options);
    if (owner === undefined) return undefined;
    const stage = Stop ? "ending" : Status === "running" ? "running" : "starting";
    return { owner, id: ID, partial: true, stage, containers: [] };
  }

  /** Undefined: it is gone. */
  async #group({ id, owner }: GroupRef, context: CallContext): Promise<CloudGroup | undefined> {
    const allocations = await this.#client.jobAllocations(id, context);
    const hasFailed = allocations.some(({ ClientStatus }) => ClientStatus === "failed");
    const attempts = attemptsOf(allocations, hasFailed ? await this.#client.job(id, context) : undefined);
    const own = attempts.allocation;
    const found = {
      allocation: own === undefined ? undefined : await this.#client.allocation(own.ID, context),
      unplaced: own === undefined ? unplaced(await this.#client.jobEvaluations(id, context)) : undefined,
    };
    // Last: what is stopped by the job's end must not look as if Nomad had stopped it by itself.
    const job = await this.#client.job(id, context);
    if (job === undefined) return undefined;
    this.#remains.look(id, job.Stop, allocations);
    const { group, isOver } = jobReport({
      ...{ job, owner, network: this.#options.config.network, attempts, ...found },
    });
    if (isOver) this.#remains.end(id);
    this.#runs.look(group);
    const { nextAt = Number.POSITIVE_INFINITY, count } = attempts;
    // One that was asked for already, and has no place yet, is not asked for again.
    const isLast = own !== undefined && (job.JobModifyIndex ?? 0) < own.CreateIndex;
    if (isLast && !job.Stop && this.#options.clock.now() >= nextAt) this.#remains.rerun(id, count + 1);
    return group;
  }
}

function allocationOf({ annotations }: CloudGroup): string {
  const id = annotations?.["backend.virtual-kubelet.io/nomad-allocation"];
  if (id !== undefined) return id;
  throw new VirtualKubeletError("NotFound", "Nomad has not placed the pod yet");
}
