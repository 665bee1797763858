// What is called of Nomad. HttpNomadClient does so over HTTP; errors are VirtualKubeletErrors: NotFound (404), Forbidden (403),
// Invalid (400 and 413), Throttled (429), Unavailable (500s, no leader, network).
import type { CallContext, ContainerIO, ExecResult } from "@virtual-kubelet/virtual-kubelet";
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
} from "./wire.ts";
import type { NomadJob } from "./wire-job.ts";
import type { NomadNode } from "./wire-node.ts";

/** Answers wait at the server until something is newer than `index`, at most `waitMs`. */
export interface BlockingQuery {
  readonly index: number;
  readonly waitMs: number;
}

export interface Indexed<T> {
  readonly value: T;
  /** X-Nomad-Index; smaller than one seen before: begin anew at 0. */
  readonly index: number;
}

export interface LogRequest {
  readonly allocation: string;
  readonly task: string;
  readonly stream: "stdout" | "stderr";
  readonly follow: boolean;
  readonly origin: "start" | "end";
  /** Bytes from the origin. */
  readonly offset: number;
}

export interface NomadClient {
  /** PUT /v1/jobs; `jobModifyIndex` 0: only when there is none (EnforceIndex), else Conflict. */
  registerJob(
    job: NomadJob,
    options: { readonly jobModifyIndex?: number | undefined },
    context: CallContext,
  ): Promise<NomadEvalAnswer>;
  /** PUT /v1/job/:id/plan. */
  planJob(job: NomadJob, context: CallContext): Promise<NomadPlanAnswer>;
  /** DELETE /v1/job/:id?purge=. */
  deregisterJob(id: string, options: { readonly purge: boolean }, context: CallContext): Promise<NomadEvalAnswer>;
  /**
   * Stops the job for good and keeps it, with further meta: GET /v1/job/:id, then PUT /v1/jobs with the same job, `Stop: true` and
   * EnforceIndex by its JobModifyIndex. NotFound when there is none.
   */
  stopJob(id: string, meta: Readonly<Record<string, string>>, context: CallContext): Promise<void>;
  /** Has Nomad place it anew, with further meta: as stopJob, but not stopped. What is stopped stays so. */
  rerunJob(id: string, meta: Readonly<Record<string, string>>, context: CallContext): Promise<void>;
  /** GET /v1/jobs?meta=true&filter=; all pages (next_token). */
  listJobs(options: { readonly filter: string }, context: CallContext): Promise<readonly NomadJobStub[]>;
  /** GET /v1/job/:id. Undefined: there is none. */
  job(id: string, context: CallContext): Promise<NomadJobAnswer | undefined>;
  /** GET /v1/job/:id/allocations: not those of an earlier job of the same name, while there is a job. */
  jobAllocations(id: string, context: CallContext): Promise<readonly NomadAllocation[]>;
  /** GET /v1/job/:id/evaluations. */
  jobEvaluations(id: string, context: CallContext): Promise<readonly NomadEvaluation[]>;
  /** GET /v1/allocations?resources=true&task_states=true&filter=, all pages; blocks when `blocking` is given. */
  listAllocations(
    options: { readonly filter?: string | undefined; readonly blocking?: BlockingQuery | undefined },
    context: CallContext,
  ): Promise<Indexed<readonly NomadAllocation[]>>;
  /** GET /v1/allocation/:id. */
  allocation(id: string, context: CallContext): Promise<NomadAllocation>;
  /** PUT /v1/client/allocation/:id/restart {TaskName}. */
  restartTask(allocation: string, task: string, context: CallContext): Promise<void>;
  /** PUT /v1/client/allocation/:id/signal {Signal, Task}. */
  signalTask(allocation: string, task: string, signal: string, context: CallContext): Promise<void>;
  /** GET /v1/client/allocation/:id/stats. */
  allocationStats(id: string, context: CallContext): Promise<NomadAllocationStats>;
  /** GET /v1/client/fs/logs/:id; the frames' data, in order. Ends with the task when it follows. */
  logs(request: LogRequest, context: CallContext): AsyncIterable<Uint8Array>;
  /** GET /v1/client/fs/ls/:id?path=alloc/logs: the files of `logs`, TASK.stdout.N and TASK.stderr.N. */
  logFiles(allocation: string, context: CallContext): Promise<readonly NomadFile[]>;
  /** GET (websocket) /v1/client/allocation/:id/exec. */
  exec(
    target: { readonly allocation: string; readonly task: string },
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult>;
  /** GET /v1/nodes?resources=true; blocks when `blocking` is given. */
  listNodes(
    options: { readonly blocking?: BlockingQuery | undefined },
    context: CallContext,
  ): Promise<Indexed<readonly NomadNode[]>>;
  /**
   * GET /v1/event/stream?topic=Allocation&topic=Evaluation&topic=Job&index=: batches from `index` on (0: all that are kept). Throws
   * Unavailable when it breaks. Heartbeats are swallowed.
   */
  events(options: { readonly index: number }, context: CallContext): AsyncIterable<Indexed<readonly NomadEvent[]>>;
  /** GET /v1/var/:path. Undefined: there is none. */
  variable(path: string, context: CallContext): Promise<NomadVariable | undefined>;
  /** PUT /v1/var/:path. */
  putVariable(variable: NomadVariable, context: CallContext): Promise<void>;
  /** DELETE /v1/var/:path; there being none is success. */
  deleteVariable(path: string, context: CallContext): Promise<void>;
  /** GET /v1/vars?prefix=: paths. */
  listVariables(prefix: string, context: CallContext): Promise<readonly string[]>;
  /** GET /v1/agent/self. */
  agentSelf(context: CallContext): Promise<NomadAgentSelf>;
  /** GET /v1/status/leader: its address, "" when there is none. */
  leader(context: CallContext): Promise<string>;
  /** GET /v1/operator/scheduler/configuration: whether memory may be oversubscribed. Undefined: not allowed to be asked. */
  memoryOversubscription(context: CallContext): Promise<boolean | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
}
