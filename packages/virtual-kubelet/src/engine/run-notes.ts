// What the engine keeps with each run of a container on the backend: enough to report, probe, back off and stop it after a
// restart of the program, before anybody has said again what the pod is to be.
import * as v from "valibot";
import type { Container, ResourceRequirements } from "../kube/types.gen.ts";
import type { RuntimeContainer } from "./container-runtime.ts";

export type ContainerRole = "init" | "sidecar" | "main" | "ephemeral";

export interface RunNotes {
  readonly role: ContainerRole;
  /** Place in its list of the spec. */
  readonly index: number;
  /** How often all of the pod had started over before this run. */
  readonly epoch: number;
  /** As in the spec: another one there means a restart. */
  readonly image: string;
  /** Names what the back-off counts for: a run with another key begins anew. */
  readonly backoffKey: string;
  /** Back-off in force since the start of this run; 0: none yet. Milliseconds. */
  readonly backoffMs: number;
  /** When this run was asked for, epoch milliseconds by our clock. */
  readonly at: number;
  /** Of the spec, what probes, hooks, ends and restarts go by. */
  readonly container: Container;
}

const key = "engine";

export function encodeRunNotes(notes: RunNotes): Readonly<Record<string, string>> {
  return { [key]: JSON.stringify({ ...notes, container: digest(notes.container) }) };
}

/** Of a run that bears no notes of ours: a main container's first run. */
export function runNotes(run: RuntimeContainer): RunNotes {
  const text = run.notes[key];
  const known = text === undefined ? undefined : cache.get(text);
  if (known !== undefined) return known;
  const notes = (text === undefined ? undefined : decode(text)) ?? {
    ...{ role: "main" as const, index: 0, epoch: 0, image: run.image, backoffKey: "", backoffMs: 0 },
    at: run.createdAt,
    container: { name: run.name },
  };
  if (text !== undefined) remember(text, notes);
  return notes;
}

/** Notes are read at each look at a pod, and never change. */
const cache = new Map<string, RunNotes>();
const cacheSize = 2000;

function remember(text: string, notes: RunNotes): void {
  if (cache.size >= cacheSize) {
    const oldest = cache.keys().next();
    if (oldest.done !== true) cache.delete(oldest.value);
  }
  cache.set(text, notes);
}

/** Nothing of it is secret or large. */
function digest(container: Container): Container {
  const { name, restartPolicy, restartPolicyRules, lifecycle, terminationMessagePolicy, resources } = container;
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const ports = (container.ports ?? []).filter((port) => port.name !== undefined);
  return {
    name,
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
    ...(restartPolicyRules === undefined ? {} : { restartPolicyRules }),
    ...(resources === undefined ? {} : { resources }),
    ...(terminationMessagePolicy === undefined ? {} : { terminationMessagePolicy }),
    ...(lifecycle === undefined ? {} : { lifecycle }),
    ...(ports.length === 0 ? {} : { ports }),
    ...(startupProbe && { startupProbe }),
    ...(livenessProbe && { livenessProbe }),
    ...(readinessProbe && { readinessProbe }),
  };
}

const handler = v.object({
  exec: v.exactOptional(v.object({ command: v.exactOptional(v.array(v.string())) })),
  httpGet: v.exactOptional(
    v.object({
      host: v.exactOptional(v.string()),
      path: v.exactOptional(v.string()),
      port: v.union([v.string(), v.number()]),
      scheme: v.exactOptional(v.string()),
      httpHeaders: v.exactOptional(v.array(v.object({ name: v.string(), value: v.string() }))),
    }),
  ),
  sleep: v.exactOptional(v.object({ seconds: v.number() })),
  tcpSocket: v.exactOptional(v.object({ host: v.exactOptional(v.string()), port: v.union([v.string(), v.number()]) })),
});

const seconds = v.exactOptional(v.number());

const probe = v.object({
  ...handler.entries,
  grpc: v.exactOptional(v.object({ port: v.number(), service: v.exactOptional(v.string()) })),
  initialDelaySeconds: seconds,
  periodSeconds: seconds,
  timeoutSeconds: seconds,
  failureThreshold: v.exactOptional(v.number()),
  successThreshold: v.exactOptional(v.number()),
  terminationGracePeriodSeconds: seconds,
});

const rule = v.object({
  action: v.string(),
  exitCodes: v.exactOptional(v.object({ operator: v.string(), values: v.exactOptional(v.array(v.number())) })),
});

const port = v.object({ name: v.exactOptional(v.string()), containerPort: v.number() });

const quantities = v.record(v.string(), v.string());

export const resourcesSchema: v.GenericSchema<unknown, ResourceRequirements> = v.object({
  limits: v.exactOptional(quantities),
  requests: v.exactOptional(quantities),
  claims: v.exactOptional(v.array(v.object({ name: v.string(), request: v.exactOptional(v.string()) }))),
});

const container = v.object({
  name: v.string(),
  restartPolicy: v.exactOptional(v.string()),
  restartPolicyRules: v.exactOptional(v.array(rule)),
  resources: v.exactOptional(resourcesSchema),
  terminationMessagePolicy: v.exactOptional(v.string()),
  lifecycle: v.exactOptional(
    v.object({
      preStop: v.exactOptional(handler),
      postStart: v.exactOptional(handler),
      stopSignal: v.exactOptional(v.string()),
    }),
  ),
  ports: v.exactOptional(v.array(port)),
  startupProbe: v.exactOptional(probe),
  livenessProbe: v.exactOptional(probe),
  readinessProbe: v.exactOptional(probe),
});

const schema: v.GenericSchema<unknown, RunNotes> = v.object({
  role: v.picklist(["init", "sidecar", "main", "ephemeral"]),
  index: v.number(),
  epoch: v.number(),
  image: v.string(),
  backoffKey: v.string(),
  backoffMs: v.number(),
  at: v.number(),
  container,
});

function decode(text: string): RunNotes | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    // Not ours, or cut: as if there were none.
    return undefined;
  }
}
