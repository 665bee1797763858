// What the servers of a fake Nomad answer: jobs, evaluations, allocations, clients, variables, themselves.
import * as v from "valibot";
import type { FakeAllocation } from "./fake-allocation.ts";
import type { FakeJobs } from "./fake-jobs.ts";
import type { FakeNodes } from "./fake-nodes.ts";
import type { Call, Route } from "./fake-server.ts";
import type { FakeState, Table } from "./fake-state.ts";
import { type FakeVariables, VariableConflict } from "./fake-variables.ts";
import { allocationView, jobStub, jobView } from "./fake-views.ts";
import { matchesFilter, pageOf, waitOf } from "./list-query.ts";
import { NomadRefusal } from "./refusal.ts";

export interface ServerRoutesOptions {
  readonly region: string;
  readonly state: FakeState;
  readonly jobs: FakeJobs;
  readonly nodes: FakeNodes;
  readonly variables: FakeVariables;
  readonly leader: () => string;
  readonly oversubscription: () => boolean;
}

const registration = v.object({
  Job: v.optional(v.unknown()),
  EnforceIndex: v.optional(v.boolean(), false),
  JobModifyIndex: v.optional(v.number(), 0),
});

export function serverRoutes(options: ServerRoutesOptions): readonly Route[] {
  const { region, state, jobs, nodes, variables } = options;
  const first = ({ parts }: Call): string => parts[0] ?? "";
  /** Waits for the table as the query asks. */
  const blocked = async (table: Table, { query, signal }: Call): Promise<number> => {
    const { index, waitMs } = waitOf(query);
    if (index > 0 && state.indexOf(table) <= index) await state.newer(table, index, waitMs, signal);
    return state.indexOf(table);
  };
  const sent = (body: unknown): v.InferOutput<typeof registration> => {
    const found = v.safeParse(registration, body);
    if (!found.success || found.output.Job === undefined) throw new NomadRefusal(400, "Job must be specified");
    return found.output;
  };
  const cas = ({ query }: Call): number | undefined => {
    const text = query.get("cas");
    return text === null ? undefined : Number(text);
  };
  return [
    {
      ...{ operation: "register", method: "PUT", path: /^jobs$/, capability: "submit-job" },
      work: ({ body, query }) => {
        const { Job, EnforceIndex, JobModifyIndex } = sent(body);
        const made = jobs.register(Job, query.get("namespace") ?? undefined, EnforceIndex ? JobModifyIndex : undefined);
        const { JobModifyIndex: index } = made;
        return { index, value: { ...made, EvalCreateIndex: index, Index: index, LastContact: 0, KnownLeader: false } };
      },
    },
    {
      ...{ operation: "listJobs", method: "GET", path: /^jobs$/, capability: "list-jobs" },
      work: async (call) => {
        const index = await blocked("jobs", call);
        const { query, namespace } = call;
        const prefix = query.get("prefix") ?? "";
        const found = jobs.all.filter(
          ({ job, namespace: own }) =>
            (namespace === "*" || own === namespace) &&
            job.ID.startsWith(prefix) &&
            matchesFilter(query.get("filter") ?? "", { ...job, Namespace: own }),
        );
        const { items, nextToken } = pageOf(found, ({ job, namespace: own }) => `${own}.${job.ID}`, query);
        const withMeta = query.get("meta") === "true";
        return { index, nextToken, value: items.map((entry) => jobStub(entry, jobs.status(entry), withMeta)) };
      },
    },
    {
      ...{ operation: "plan", method: "PUT", path: /^job\/([^/]+)\/plan$/, capability: "submit-job" },
      work: ({ body, query }) => ({ value: jobs.plan(sent(body).Job, query.get("namespace") ?? undefined) }),
    },
    {
      ...{ operation: "job", method: "GET", path: /^job\/([^/]+)$/, capability: "read-job" },
      work: (call) => {
        const entry = jobs.get(call.namespace, first(call));
        return { index: entry.modifyIndex, value: jobView(entry, jobs.status(entry)) };
      },
    },
    {
      ...{ operation: "deregister", method: "DELETE", path: /^job\/([^/]+)$/, capability: "submit-job" },
      work: (call) => {
        const answer = jobs.deregister(call.namespace, first(call), call.query.get("purge") === "true");
        return { index: state.index, value: { ...answer, JobModifyIndex: state.index } };
      },
    },
    {
      ...{ operation: "jobAllocations", method: "GET", path: /^job\/([^/]+)\/allocations$/, capability: "read-job" },
      work: (call) => {
        const job = jobs.all.find(({ namespace, job: { ID } }) => namespace === call.namespace && ID === first(call));
        const oldest = call.query.get("all") === "true" ? 0 : (job?.createIndex ?? 0);
        const own = jobs.allocations.filter(isIn(call.namespace, first(call)));
        const found = own.filter(({ createIndex }) => createIndex >= oldest);
        return { index: state.indexOf("allocs"), value: found.map((each) => allocationView(each, "stub")) };
      },
    },
    {
      ...{ operation: "jobEvaluations", method: "GET", path: /^job\/([^/]+)\/evaluations$/, capability: "read-job" },
      work: (call) => ({ index: state.indexOf("evals"), value: jobs.evaluations(call.namespace, first(call)) }),
    },
    {
      ...{ operation: "listAllocations", method: "GET", path: /^allocations$/, capability: "read-job" },
      work: async (call) => {
        const index = await blocked("allocs", call);
        const { query, namespace } = call;
        const kind = query.get("resources") === "true" ? "stubWithResources" : "stub";
        const found = jobs.allocations
          .filter(isIn(namespace))
          .map((each) => allocationView(each, kind))
          .filter((view) => matchesFilter(query.get("filter") ?? "", view));
        const { items, nextToken } = pageOf(
          found,
          ({ ID, CreateIndex }) => `${String(CreateIndex).padStart(12, "0")}.${ID}`,
          query,
        );
        return { index, nextToken, value: items };
      },
    },
    {
      ...{ operation: "allocation", method: "GET", path: /^allocation\/([^/]+)$/, capability: "read-job" },
      work: (call) => {
        const found = jobs.allocations.find(({ id }) => id === first(call));
        if (found === undefined) throw new NomadRefusal(404, "alloc not found");
        return { index: found.modifyIndex, value: allocationView(found, "whole") };
      },
    },
    {
      ...{ operation: "listNodes", method: "GET", path: /^nodes$/, capability: "node:read" },
      work: async (call) => {
        const index = await blocked("nodes", call);
        return { index, value: nodes.views(call.query.get("resources") === "true") };
      },
    },
    {
      ...{ operation: "listVariables", method: "GET", path: /^vars$/, capability: "variables-list" },
      work: async (call) => {
        const index = await blocked("variables", call);
        const found = variables.list(call.namespace, call.query.get("prefix") ?? "");
        const { items, nextToken } = pageOf(found, ({ Path }) => Path, call.query);
        return { index, nextToken, value: items };
      },
    },
    {
      ...{ operation: "variable", method: "GET", path: /^var\/(.+)$/, capability: "variables-read" },
      work: (call) => {
        const found = variables.get(call.namespace, first(call));
        if (found === undefined) throw new NomadRefusal(404, "variable not found");
        return { index: found.ModifyIndex, value: found };
      },
    },
    {
      ...{ operation: "putVariable", method: "PUT", path: /^var\/(.+)$/, capability: "variables-write" },
      work: (call) =>
        unlessConflict(() => {
          const value = variables.put(call.namespace, first(call), call.body, cas(call));
          return { index: value.ModifyIndex, value };
        }),
    },
    {
      ...{ operation: "deleteVariable", method: "DELETE", path: /^var\/(.+)$/, capability: "variables-destroy" },
      work: (call) =>
        unlessConflict(() => {
          variables.delete(call.namespace, first(call), cas(call));
          return { index: state.index, status: 204 };
        }),
    },
    {
      ...{ operation: "agentSelf", method: "GET", path: /^agent\/self$/, capability: "agent:read" },
      work: () => ({
        value: {
          config: { Region: region, Datacenter: "dc1", Version: { Version: "2.0.6", VersionPrerelease: "dev" } },
          ...{ member: { Name: `server-1.${region}` }, stats: {} },
        },
      }),
    },
    {
      ...{ operation: "leader", method: "GET", path: /^status\/leader$/ },
      work: () => ({ value: options.leader() }),
    },
    {
      operation: "schedulerConfiguration",
      ...{ method: "GET", path: /^operator\/scheduler\/configuration$/, capability: "operator:read" },
      work: () => ({
        ...{ index: 1 },
        value: { SchedulerConfig: { MemoryOversubscriptionEnabled: options.oversubscription() } },
      }),
    },
  ];
}

function isIn(namespace: string, job?: string): (allocation: FakeAllocation) => boolean {
  return ({ options }) =>
    (namespace === "*" || (options.job.Namespace ?? "default") === namespace) &&
    (job === undefined || options.job.ID === job);
}

function unlessConflict<T>(work: () => T): T | { readonly status: number; readonly value: unknown } {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof VariableConflict)) throw error;
    return { status: 409, value: error.variable ?? {} };
  }
}
