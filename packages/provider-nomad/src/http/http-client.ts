// Nomad over HTTP.
import {
  type CallContext,
  type ContainerIO,
  type ExecResult,
  isErrorKind,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { BlockingQuery, Indexed, LogRequest, NomadClient } from "../nomad-client.ts";
import type {
  NomadAgentSelf,
  NomadAllocation,
  NomadAllocationStats,
  NomadEvalAnswer,
  NomadEvaluation,
  NomadEvent,
  NomadFile,
  NomadJobAnswer,
  NomadJobStub,
  NomadPlanAnswer,
  NomadVariable,
} from "../wire.ts";
import type { NomadJob } from "../wire-job.ts";
import type { NomadNode } from "../wire-node.ts";
import * as answers from "./answers.ts";
import { eventBatches } from "./event-stream.ts";
import { execSession } from "./exec-session.ts";
import { type NomadAddress, NomadHttp, type Query } from "./nomad-http.ts";

const perPage = "500";
const part = encodeURIComponent;

export class HttpNomadClient implements NomadClient {
  readonly #http: NomadHttp;

  constructor(address: NomadAddress) {
    this.#http = new NomadHttp(address);
  }

  async registerJob(
    job: NomadJob,
    { jobModifyIndex }: { readonly jobModifyIndex?: number | undefined },
    context: CallContext,
  ): Promise<NomadEvalAnswer> {
    const enforced = jobModifyIndex === undefined ? {} : { EnforceIndex: true, JobModifyIndex: jobModifyIndex };
    const { value } = await this.#http.call({ method: "PUT", path: "jobs", body: { Job: job, ...enforced } }, context);
    return answers.evalAnswer(value);
  }

  async planJob(job: NomadJob, context: CallContext): Promise<NomadPlanAnswer> {
    const path = `job/${part(job.ID)}/plan`;
    const { value } = await this.#http.call({ method: "PUT", path, body: { Job: job, Diff: false } }, context);
    return answers.planAnswer(value);
  }

  async deregisterJob(
    id: string,
    { purge }: { readonly purge: boolean },
    context: CallContext,
  ): Promise<NomadEvalAnswer> {
    const query = { purge: String(purge) };
    const { value } = await this.#http.call({ method: "DELETE", path: `job/${part(id)}`, query }, context);
    return answers.evalAnswer(value);
  }

  stopJob(id: string, meta: Readonly<Record<string, string>>, context: CallContext): Promise<void> {
    return this.#changeJob(id, { Stop: true }, meta, context);
  }

  rerunJob(id: string, meta: Readonly<Record<string, string>>, context: CallContext): Promise<void> {
    return this.#changeJob(id, {}, meta, context);
  }

  listJobs({ filter }: { readonly filter: string }, context: CallContext): Promise<readonly NomadJobStub[]> {
    return this.#pages("jobs", { meta: "true", filter }, answers.jobStubs, context);
  }

  async job(id: string, context: CallContext): Promise<NomadJobAnswer | undefined> {
    const value = await this.#ifThere(`job/${part(id)}`, context);
    return value === undefined ? undefined : answers.jobAnswer(value);
  }

  async jobAllocations(id: string, context: CallContext): Promise<readonly NomadAllocation[]> {
    return answers.allocations((await this.#ifThere(`job/${part(id)}/allocations`, context)) ?? []);
  }

  async jobEvaluations(id: string, context: CallContext): Promise<readonly NomadEvaluation[]> {
    return answers.evaluations((await this.#ifThere(`job/${part(id)}/evaluations`, context)) ?? []);
  }

  async listAllocations(
    { filter, blocking }: { readonly filter?: string | undefined; readonly blocking?: BlockingQuery | undefined },
    context: CallContext,
  ): Promise<Indexed<readonly NomadAllocation[]>> {
    const query = { resources: "true", task_states: "true", filter };
    if (blocking === undefined) {
      const value = await this.#pages("allocations", query, answers.allocations, context);
      return { value, index: 0 };
    }
    const call = { method: "GET" as const, path: "allocations", query: { ...query, ...waiting(blocking) } };
    const { value, index } = await this.#http.call({ ...call, timeoutMs: patience(blocking) }, context);
    return { value: answers.allocations(value), index };
  }

  async allocation(id: string, context: CallContext): Promise<NomadAllocation> {
    return answers.allocation(
      (await this.#http.call({ method: "GET", path: `allocation/${part(id)}` }, context)).value,
    );
  }

  async restartTask(allocation: string, task: string, context: CallContext): Promise<void> {
    const path = `client/allocation/${part(allocation)}/restart`;
    await this.#http.call({ method: "PUT", path, body: { TaskName: task } }, context);
  }

  async signalTask(allocation: string, task: string, signal: string, context: CallContext): Promise<void> {
    const path = `client/allocation/${part(allocation)}/signal`;
    await this.#http.call({ method: "PUT", path, body: { Signal: signal, Task: task } }, context);
  }

  async allocationStats(id: string, context: CallContext): Promise<NomadAllocationStats> {
    const path = `client/allocation/${part(id)}/stats`;
    return answers.stats((await this.#http.call({ method: "GET", path }, context)).value);
  }

  logs(request: LogRequest, context: CallContext): AsyncIterable<Uint8Array> {
    const { allocation, task, stream, follow, origin, offset } = request;
    const query = {
      ...{ task, type: stream, origin, plain: "true" },
      ...{ follow: String(follow), offset: String(offset) },
    };
    return this.#http.stream({ method: "GET", path: `client/fs/logs/${part(allocation)}`, query }, context);
  }

  async logFiles(allocation: string, context: CallContext): Promise<readonly NomadFile[]> {
    const query = { path: "alloc/logs" };
    const call = { method: "GET" as const, path: `client/fs/ls/${part(allocation)}`, query };
    return answers.files((await this.#http.call(call, context)).value ?? []);
  }

  async exec(
    { allocation, task }: { readonly allocation: string; readonly task: string },
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult> {
    const query = { task, tty: String(io.tty), command: JSON.stringify(command) };
    const socket = await this.#http.socket(`client/allocation/${part(allocation)}/exec`, query);
    return execSession(socket, io, context);
  }

  async listNodes(
    { blocking }: { readonly blocking?: BlockingQuery | undefined },
    context: CallContext,
  ): Promise<Indexed<readonly NomadNode[]>> {
    const query = { resources: "true", ...(blocking !== undefined && waiting(blocking)) };
    const timeoutMs = blocking === undefined ? 60_000 : patience(blocking);
    const { value, index } = await this.#http.call({ method: "GET", path: "nodes", query, timeoutMs }, context);
    return { value: answers.nodes(value), index };
  }

  events({ index }: { readonly index: number }, context: CallContext): AsyncIterable<Indexed<readonly NomadEvent[]>> {
    const query = { topic: ["Allocation", "Evaluation", "Job"], ...(index > 0 && { index: String(index) }) };
    // Heartbeats come every thirty seconds.
    return eventBatches(this.#http.stream({ method: "GET", path: "event/stream", query, timeoutMs: 45_000 }, context));
  }

  async variable(path: string, context: CallContext): Promise<NomadVariable | undefined> {
    const value = await this.#ifThere(`var/${pathOf(path)}`, context);
    return value === undefined ? undefined : answers.variable(value);
  }

  async putVariable(variable: NomadVariable, context: CallContext): Promise<void> {
    await this.#http.call({ method: "PUT", path: `var/${pathOf(variable.Path)}`, body: variable }, context);
  }

  async deleteVariable(path: string, context: CallContext): Promise<void> {
    try {
      await this.#http.call({ method: "DELETE", path: `var/${pathOf(path)}` }, context);
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
    }
  }

  async listVariables(prefix: string, context: CallContext): Promise<readonly string[]> {
    const found = await this.#pages("vars", { prefix }, answers.variables, context);
    return found.map(({ Path }) => Path);
  }

  async agentSelf(context: CallContext): Promise<NomadAgentSelf> {
    return answers.agentSelf((await this.#http.call({ method: "GET", path: "agent/self" }, context)).value);
  }

  async leader(context: CallContext): Promise<string> {
    const { value } = await this.#http.call({ method: "GET", path: "status/leader" }, context);
    return typeof value === "string" ? value : "";
  }

  async memoryOversubscription(context: CallContext): Promise<boolean | undefined> {
    try {
      const path = "operator/scheduler/configuration";
      return answers.oversubscription((await this.#http.call({ method: "GET", path }, context)).value);
    } catch (error) {
      if (isErrorKind(error, "Forbidden", "NotFound")) return undefined;
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]();
  }

  async #changeJob(
    id: string,
    change: { readonly Stop?: true },
    meta: Readonly<Record<string, string>>,
    context: CallContext,
  ): Promise<void> {
    const path = `job/${part(id)}`;
    const whole = answers.rawJob((await this.#http.call({ method: "GET", path }, context)).value);
    const Job = { ...whole, ...change, Meta: { ...whole.Meta, ...meta } };
    const body = { Job, EnforceIndex: true, JobModifyIndex: whole.JobModifyIndex };
    await this.#http.call({ method: "PUT", path: "jobs", body }, context);
  }

  async #pages<T>(
    path: string,
    query: Query,
    read: (value: unknown) => readonly T[],
    context: CallContext,
  ): Promise<readonly T[]> {
    const all: T[] = [];
    for (let next = "", pages = 0; ; pages++) {
      if (pages > 10_000) throw new VirtualKubeletError("Unavailable", `${path}: pages without an end`);
      const call = { method: "GET" as const, path, query: { ...query, per_page: perPage, next_token: next } };
      const { value, nextToken } = await this.#http.call(call, context);
      all.push(...read(value ?? []));
      if (nextToken === "" || nextToken === next) return all;
      next = nextToken;
    }
  }

  async #ifThere(path: string, context: CallContext, query: Query = {}): Promise<unknown> {
    try {
      return (await this.#http.call({ method: "GET", path, query }, context)).value;
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

function waiting({ index, waitMs }: BlockingQuery): Query {
  return { index: String(index), wait: `${waitMs}ms` };
}

/** Nomad adds up to a sixteenth of the wait. */
function patience({ waitMs }: BlockingQuery): number {
  return waitMs * 1.1 + 15_000;
}

/** A variable's path has parts of its own. */
function pathOf(path: string): string {
  return path.split("/").map(part).join("/");
}
