// What the engine must not forget about a pod when the program is killed: one note on its sandbox. Everything else is read
// from the backend again or can be found out anew.
import * as v from "valibot";
import type { PodSpec, ResourceRequirements } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";
import { resourcesSchema } from "./run-notes.ts";

/** Why a run is being stopped. */
export type KillReason =
  | "deleted"
  | "over"
  | "failed"
  | "liveness"
  | "startup"
  | "postStart"
  | "changed"
  | "restartAll"
  | "sandbox"
  | "unknown";

/** A run that is to be stopped: preStop, then TERM, then KILL. */
export interface Kill {
  readonly why: KillReason;
  readonly graceSeconds: number;
  /** When the grace is over, epoch milliseconds. */
  readonly deadline: number;
  /** preStop has been run, or there was no time for it. */
  readonly preStopped?: true | undefined;
}

/** About one run of a container; void as soon as there is a later one. */
export interface RunMemory {
  readonly attempt: number;
  /** postStart has been run and has succeeded. */
  readonly postStarted?: true | undefined;
  /** The startup probe has succeeded. */
  readonly started?: true | undefined;
  /** Last word of the readiness probe. */
  readonly ready?: boolean | undefined;
  /** Resources given to it since it was made. */
  readonly resources?: ResourceRequirements | undefined;
  readonly kill?: Kill | undefined;
  /** Counts although the pod has started over since: it had ended for good. */
  readonly kept?: true | undefined;
}

/** The pod stops for good: all its containers, and nothing is started again. */
export interface Ending {
  /** "over": its containers have ended by themselves. "failed": this node ends it. */
  readonly why: "deleted" | "over" | "failed";
  readonly graceSeconds: number;
  /** Epoch milliseconds. */
  readonly deadline: number;
  /** When all of it had stopped, epoch milliseconds. */
  readonly stoppedAt?: number | undefined;
}

export interface PodMemory {
  readonly restartPolicy: string;
  /** terminationGracePeriodSeconds of the spec. */
  readonly graceSeconds: number;
  /** When the pod was accepted, epoch milliseconds. */
  readonly acceptedAt: number;
  /** How often all containers have started over. */
  readonly epoch: number;
  readonly ending?: Ending | undefined;
  /** Why this node ends it. */
  readonly failure?: PodReport["failure"];
  /** All containers are being stopped to start over: asked for by the end of this run. */
  readonly restartingAll?: { readonly container: string; readonly attempt: number } | undefined;
  readonly runs: Readonly<Record<string, RunMemory>>;
  /** A change of resources that is asked for, or was granted and is not in force everywhere. */
  readonly resizing?: Resizing | undefined;
}

export interface Resizing {
  /** Names what is asked for. */
  readonly wanted: string;
  /** Since when something is, epoch milliseconds. */
  readonly since: number;
  readonly granted?: true | undefined;
  /** In force wherever something runs, and told so. */
  readonly done?: true | undefined;
}

const key = "engine";

/** Of a pod of which nothing is known yet. */
export function newMemory(acceptedAt: number): PodMemory {
  return { ...policiesOf(undefined), acceptedAt, epoch: 0, runs: {} };
}

/** What of its spec never changes and decides about its end; the API's defaults. */
export function policiesOf(spec: PodSpec | undefined): Pick<PodMemory, "restartPolicy" | "graceSeconds"> {
  return {
    restartPolicy: spec?.restartPolicy ?? "Always",
    graceSeconds: spec?.terminationGracePeriodSeconds ?? 30,
  };
}

export function encodeMemory(memory: PodMemory): Readonly<Record<string, string>> {
  return { [key]: JSON.stringify(memory) };
}

const kill = v.object({
  why: v.picklist([
    ...(["deleted", "over", "failed", "liveness", "startup", "postStart"] as const),
    ...(["changed", "restartAll", "sandbox", "unknown"] as const),
  ]),
  graceSeconds: v.number(),
  deadline: v.number(),
  preStopped: v.optional(v.literal(true)),
});

const schema: v.GenericSchema<unknown, PodMemory> = v.object({
  restartPolicy: v.string(),
  graceSeconds: v.number(),
  acceptedAt: v.number(),
  epoch: v.number(),
  ending: v.optional(
    v.object({
      why: v.picklist(["deleted", "over", "failed"]),
      graceSeconds: v.number(),
      deadline: v.number(),
      stoppedAt: v.optional(v.number()),
    }),
  ),
  failure: v.optional(v.object({ reason: v.string(), message: v.string(), disruption: v.optional(v.string()) })),
  restartingAll: v.optional(v.object({ container: v.string(), attempt: v.number() })),
  resizing: v.optional(
    v.object({
      wanted: v.string(),
      since: v.number(),
      granted: v.optional(v.literal(true)),
      done: v.optional(v.literal(true)),
    }),
  ),
  runs: v.record(
    v.string(),
    v.object({
      attempt: v.number(),
      postStarted: v.optional(v.literal(true)),
      started: v.optional(v.literal(true)),
      ready: v.optional(v.boolean()),
      resources: v.optional(resourcesSchema),
      kill: v.optional(kill),
      kept: v.optional(v.literal(true)),
    }),
  ),
});

/** Undefined where there is none, or none that can be read. */
export function decodeMemory(notes: Readonly<Record<string, string>>): PodMemory | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(notes[key] ?? "null"));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** Memory with something changed about one run. */
export function withRun(memory: PodMemory, name: string, attempt: number, change: Partial<RunMemory>): PodMemory {
  const before = memory.runs[name];
  const base = before?.attempt === attempt ? before : { attempt };
  return { ...memory, runs: { ...memory.runs, [name]: { ...base, ...change } } };
}

/** Memory with an end; of two the sooner counts, and a deletion stays one. */
export function withEnding(memory: PodMemory, ending: Ending, failure?: PodMemory["failure"]): PodMemory {
  const before = memory.ending;
  const sooner = before === undefined || ending.deadline < before.deadline ? ending : before;
  const why = before?.why === "deleted" ? "deleted" : ending.why;
  return {
    ...memory,
    failure: memory.failure ?? failure,
    ending: { ...sooner, why, stoppedAt: before?.stoppedAt },
  };
}

/** Memory of a preStop hook that has had its turn. */
export function withPreStopped(
  memory: PodMemory,
  { name, attempt }: { readonly name: string; readonly attempt: number },
): PodMemory {
  const before = memory.runs[name];
  if (before?.attempt !== attempt || before.kill === undefined) return memory;
  return withRun(memory, name, attempt, { kill: { ...before.kill, preStopped: true } });
}
