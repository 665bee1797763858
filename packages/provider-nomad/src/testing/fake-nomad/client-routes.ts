// What the clients of a fake Nomad answer of allocations that they run: figures, restarts, signals, logs, files.
import type { ServerResponse } from "node:http";
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { FakeAllocation } from "./fake-allocation.ts";
import type { NomadFaults } from "./fake-faults.ts";
import type { FakeJobs } from "./fake-jobs.ts";
import type { Answer, Call, Route } from "./fake-server.ts";
import type { FakeTaskRunner } from "./fake-task.ts";
import { NomadRefusal, unknownAllocation } from "./refusal.ts";

export interface ClientRoutesOptions {
  readonly jobs: FakeJobs;
  readonly faults: NomadFaults;
  readonly clock: Clock;
}

const restartBody = v.object({ TaskName: v.optional(v.string(), ""), AllTasks: v.optional(v.boolean(), false) });
const signalBody = v.object({ Signal: v.string(), Task: v.optional(v.string(), "") });
/** Between two looks at a log that is followed. */
const lookMs = 20;
const heartbeatMs = 1000;

export function clientRoutes(options: ClientRoutesOptions): readonly Route[] {
  const { jobs } = options;
  const allocation = ({ parts }: Call): FakeAllocation => {
    const [id = ""] = parts;
    const found = jobs.allocations.find((each) => each.id === id);
    if (found === undefined || found.isLost) throw unknownAllocation(id);
    return found;
  };
  return [
    {
      ...{ operation: "allocationStats", method: "GET", capability: "read-job" },
      path: /^client\/allocation\/([^/]+)\/stats$/,
      work: async (call) => ({ value: await stats(allocation(call)) }),
    },
    {
      ...{ operation: "restart", method: "PUT", capability: "alloc-lifecycle" },
      path: /^client\/allocation\/([^/]+)\/restart$/,
      work: async (call) => {
        const { TaskName, AllTasks } = v.parse(restartBody, call.body ?? {});
        const { tasks } = allocation(call);
        const wanted =
          TaskName === ""
            ? tasks.filter(({ running }) => AllTasks || running !== undefined)
            : [taskOf(tasks, TaskName, `Could not find task runner for task: ${TaskName}`)];
        await Promise.all(wanted.map((task) => task.restart()));
        return { value: { Index: 0 } };
      },
    },
    {
      ...{ operation: "signal", method: "PUT", capability: "alloc-lifecycle" },
      path: /^client\/allocation\/([^/]+)\/signal$/,
      work: (call) => {
        const { Signal, Task } = v.parse(signalBody, call.body);
        const { tasks } = allocation(call);
        for (const task of Task === "" ? tasks : [taskOf(tasks, Task, "Task not found")]) task.signal(Signal);
        return { value: { Index: 0 } };
      },
    },
    {
      ...{ operation: "logs", method: "GET", path: /^client\/fs\/logs\/([^/]+)$/, capability: "read-logs" },
      work: (call) => logs(allocation(call), call, options),
    },
    {
      ...{ operation: "ls", method: "GET", path: /^client\/fs\/ls\/([^/]+)$/, capability: "read-fs" },
      work: async (call) => ({ value: await logFiles(allocation(call), call.query.get("path") ?? "") }),
    },
    {
      ...{ operation: "cat", method: "GET", path: /^client\/fs\/cat\/([^/]+)$/, capability: "read-fs" },
      work: async (call): Promise<"streamed"> => {
        const path = (call.query.get("path") ?? "").replace(/^\/+/, "");
        const file = allocation(call).files.find((each) => each.path === path);
        // Nobody sees secrets from outside.
        if (file === undefined || path.split("/")[1] === "secrets")
          throw new NomadRefusal(404, `stat ${path}: no such file or directory`);
        call.response.writeHead(200, { "content-type": "application/octet-stream" }).end(file.data);
        return "streamed";
      },
    },
  ];
}

function taskOf(tasks: readonly FakeTaskRunner[], name: string, otherwise: string): FakeTaskRunner {
  const found = tasks.find((task) => task.name === name);
  if (found === undefined) throw new NomadRefusal(500, otherwise);
  return found;
}

async function stats({ tasks }: FakeAllocation): Promise<object> {
  const Timestamp = Date.now() * 1_000_000;
  const known = await Promise.all(
    tasks.map(async ({ name, running, state, task }) => {
      const found = await running?.stats(name);
      if (found === undefined) return [];
      const { cpuNanoseconds, memoryBytes } = found;
      const livedMs = Math.max(1, Date.now() - Date.parse(state.StartedAt ?? ""));
      const Percent = cpuNanoseconds / (livedMs * 10_000);
      // Each driver measures what it can.
      const isImage = task.Driver === "docker" || task.Driver === "podman";
      const MemoryStats = { RSS: isImage ? 0 : memoryBytes, Usage: isImage ? memoryBytes : 0, Cache: 0 };
      return [
        [name, { Timestamp, ResourceUsage: { MemoryStats, CpuStats: { Percent, TotalTicks: Percent * 24 } } }] as const,
      ];
    }),
  );
  return { Timestamp, Tasks: Object.fromEntries(known.flat()), ResourceUsage: null };
}

/** Of directories only that of logs is known. */
async function logFiles(allocation: FakeAllocation, path: string): Promise<readonly object[]> {
  if (path !== "alloc/logs") throw new NomadRefusal(404, `stat ${path}: no such file or directory`);
  const streams = allocation.tasks.flatMap(({ name, hasStarted }) =>
    hasStarted ? (["stdout", "stderr"] as const).map((stream) => ({ name, stream })) : [],
  );
  const files = streams.map(async ({ name, stream }) => {
    const { length } = await allocation.log(name, stream);
    const Name = `${name}.${stream}.0`;
    return { Name, Size: length, IsDir: false, FileMode: "-rw-r--r--", ModTime: new Date().toISOString() };
  });
  return Promise.all(files);
}

async function logs(
  allocation: FakeAllocation,
  call: Call,
  { faults, clock }: ClientRoutesOptions,
): Promise<Answer | "streamed"> {
  const { query, response } = call;
  const name = query.get("task") ?? "";
  const type = query.get("type");
  if (type !== "stdout" && type !== "stderr") throw new NomadRefusal(400, "must provide log type (stdout/stderr)");
  const task = allocation.task(name);
  if (task === undefined) throw new NomadRefusal(400, `unknown task name "${name}"`);
  if (!task.hasStarted) throw new NomadRefusal(404, `task "${name}" not started yet. No logs available`);
  const offset = Number(query.get("offset") ?? 0);
  const whole = await allocation.log(name, type);
  const isFromEnd = query.get("origin") === "end";
  let at = isFromEnd ? Math.max(0, whole.length - offset) : Math.min(offset, whole.length);
  const isPlain = query.get("plain") === "true";
  const cut = new AbortController();
  const ended = faults.stream(() => cut.abort());
  const signal = AbortSignal.any([call.signal, cut.signal]);
  response.writeHead(200, { "content-type": isPlain ? "text/plain" : "application/json" }).flushHeaders();
  let beatAt = clock.now();
  for (let all = whole; !signal.aborted; all = await allocation.log(name, type)) {
    if (all.length > at) {
      const Data = all.subarray(at);
      const frame = { Offset: at, Data: Data.toString("base64"), File: `alloc/logs/${name}.${type}.0` };
      response.write(isPlain ? Data : JSON.stringify(frame));
      at = all.length;
    } else if (!isPlain && clock.now() - beatAt >= heartbeatMs) {
      response.write("{}");
      beatAt = clock.now();
    }
    if (query.get("follow") !== "true") break;
    // It goes on when the task has ended.
    await pause(clock, lookMs, signal);
  }
  ended();
  finish(response, cut.signal.aborted);
  return "streamed";
}

function finish(response: ServerResponse, isCut: boolean): void {
  if (isCut) response.destroy();
  else response.end();
}
