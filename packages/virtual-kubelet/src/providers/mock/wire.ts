// What goes between the mock provider and a backend in another process, decoded with checks. JSON over HTTP.
import * as v from "valibot";
import { VirtualKubeletError } from "../../errors.ts";
import type { Stored } from "../../kube/resource.ts";
import type { Pod } from "../../kube/types.gen.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../../provider/pods.ts";
import type { CreateOutcome } from "./backend.ts";
import type { BackendAction, StopOrder } from "./connection.ts";
import { faultKinds } from "./faults.ts";
import type { ContainerRuns, PodUsage } from "./runs.ts";
import type { ContainerUsage } from "./usage.ts";

const owner = v.object({
  cluster: v.string(),
  node: v.string(),
  namespace: v.string(),
  name: v.string(),
  uid: v.pipe(v.string(), v.minLength(1)),
});
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
/** Both ends are of one program: what identifies a pod is checked, the rest is taken as the type says. */
const pod = v.custom<Stored<Pod>>(isObject, "must be a pod");
const request = v.object({ owner, pod, revision: v.string() });
const report = v.custom<PodReport>(
  (value) => v.is(v.object({ owner, containers: v.array(v.object({ name: v.string() })) }), value),
  "must be a pod report",
);
const uid = v.string();
const action = v.variant("action", [
  v.object({ action: v.literal("lose"), uid }),
  v.object({ action: v.literal("remove"), uid }),
  v.object({ action: v.literal("exit"), uid, container: v.string(), exitCode: v.number() }),
  v.object({ action: v.literal("fail"), uid, reason: v.string(), message: v.string() }),
  v.object({ action: v.literal("evict"), uid, gracePeriodSeconds: v.number() }),
  v.object({ action: v.literal("ready"), uid, ready: v.optional(v.boolean()) }),
]);

export function decodeCreate(text: string): { readonly request: PodRequest; readonly hostIPs?: string[] | undefined } {
  return decode(v.object({ request, hostIPs: v.optional(v.array(v.string())) }), text);
}

export function decodeUpdate(text: string): PodRequest {
  return decode(request, text);
}

export function decodeStop(text: string): StopOrder {
  const failure = v.object({ reason: v.string(), message: v.string(), disruption: v.optional(v.string()) });
  return decode(v.object({ gracePeriodSeconds: v.number(), failure: v.optional(failure) }), text);
}

export function decodeAction(text: string): BackendAction {
  return decode(action, text);
}

export function decodeOutcome(text: string): CreateOutcome {
  return decode(v.object({ outcome: v.picklist(["created", "exists", "recreatedAfterLoss", "startedTwice"]) }), text)
    .outcome;
}

export function decodeReport(text: string): PodReport {
  return decode(report, text);
}

export function decodeReports(text: string): readonly PodReport[] {
  return decode(v.array(report), text);
}

const usage = {
  name: v.string(),
  cpuNanoCores: v.number(),
  cpuCoreNanoSeconds: v.number(),
  memoryBytes: v.number(),
};

export function decodeUsage(text: string): readonly ContainerUsage[] {
  return decode(v.array(v.object(usage)), text);
}

export function decodeUsages(text: string): readonly PodUsage[] {
  const containers = v.array(v.object({ ...usage, startedAt: v.number() }));
  return decode(v.array(v.object({ owner, acceptedAt: v.number(), containers })), text);
}

export function decodeRuns(text: string): readonly ContainerRuns[] {
  const ended = v.optional(v.object({ at: v.number(), exitCode: v.number() }));
  const run = v.optional(v.object({ attempt: v.number(), startedAt: v.number(), ended }));
  return decode(v.array(v.object({ name: v.string(), latest: run, previous: run })), text);
}

export function decodePodUpdate(text: string): PodUpdate {
  const gone: v.GenericSchema<unknown, { readonly type: "gone"; readonly owner: PodOwner }> = v.object({
    type: v.literal("gone"),
    owner,
  });
  return decode(v.union([v.object({ type: v.literal("report"), report }), gone]), text);
}

/** The error that a backend answered with. */
export function decodeError(status: number, text: string): VirtualKubeletError {
  const fault = v.object({ kind: v.picklist(faultKinds), message: v.string(), field: v.optional(v.string()) });
  try {
    const { kind, message, field } = decode(fault, text);
    return new VirtualKubeletError(kind, message, { field });
  } catch (error) {
    return new VirtualKubeletError("Unavailable", `mock backend answered ${status}`, { cause: error });
  }
}

function decode<T>(schema: v.GenericSchema<unknown, T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new VirtualKubeletError("Invalid", "mock backend: not JSON", { cause: error });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? "body"}: ${issue.message}`);
  throw new VirtualKubeletError("Invalid", `mock backend: ${faults.join("; ")}`);
}
