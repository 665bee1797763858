// How a simulated pod behaves: read from its annotations, over the defaults of the configuration. Pure.
import { createHash } from "node:crypto";
import { VirtualKubeletError } from "../../errors.ts";
import type { Container, EphemeralContainer, Pod } from "../../kube/types.gen.ts";
import { parseDuration } from "./duration.ts";
import { type LogSettings, parseBytes, parseFormat, parseMain } from "./log-settings.ts";
import { parseCurve, type UsageCurve } from "./usage.ts";

/**
 * Annotations that steer one pod begin so, e.g. `mock.virtual-kubelet.io/run-time: 5s`. With `.<container>` behind the
 * name they hold for that container alone: `mock.virtual-kubelet.io/exit-code.app: "3"`.
 */
export const annotationPrefix = "mock.virtual-kubelet.io/";

/** A fixed number of milliseconds, or a range from which each pod draws by its UID and the seed. */
export type Span = number | readonly [from: number, to: number];

/** Defaults of the simulation, for pods that say nothing else. All times in milliseconds. */
export interface BehaviourSettings {
  /** From accepted to the first container running (pulling images). */
  readonly startDelay: Span;
  /** How long a main container runs; undefined: for ever. */
  readonly runTime: Span | undefined;
  /** How long an init container runs. */
  readonly initTime: Span;
  /** With which a main container's run ends. */
  readonly exitCode: number;
  /** So many runs of a main container end with exit code 1 first. */
  readonly failTimes: number;
  /** From running to ready. */
  readonly readyDelay: Span;
  /** From TERM to the end of a container. */
  readonly terminateDelay: Span;
  /** With which a container ends by TERM. */
  readonly terminateExitCode: number;
  /** Back-off before the second restart, doubled with each up to restartDelayMax; the first restart is immediate. */
  readonly restartDelay: number;
  readonly restartDelayMax: number;
  /** In cores. */
  readonly cpu: UsageCurve;
  /** In bytes. */
  readonly memory: UsageCurve;
}

export const defaultBehaviour: BehaviourSettings = {
  startDelay: 0,
  runTime: undefined,
  initTime: 0,
  exitCode: 0,
  failTimes: 0,
  readyDelay: 0,
  terminateDelay: 0,
  terminateExitCode: 0,
  restartDelay: 10_000,
  restartDelayMax: 300_000,
  cpu: parseCurve("10m"),
  memory: parseCurve("16Mi"),
};

/** What one container does. Times in milliseconds. */
export interface ContainerBehaviour {
  readonly runTime: number | undefined;
  readonly exitCode: number;
  readonly failTimes: number;
  readonly readyDelay: number;
  readonly terminateDelay: number;
  readonly terminateExitCode: number;
  readonly cpu: UsageCurve;
  readonly memory: UsageCurve;
  readonly log: LogSettings;
}

/** What one pod does. */
export interface PodBehaviour {
  readonly startDelay: number;
  readonly restartDelay: number;
  readonly restartDelayMax: number;
  readonly container: (name: string) => ContainerBehaviour;
}

const names = [
  "start-delay",
  "run-time",
  "exit-code",
  "fail-times",
  "ready-delay",
  "terminate-delay",
  "terminate-exit-code",
  "restart-delay",
  "restart-delay-max",
  "cpu",
  "memory",
  "log-interval",
  "log-lines",
  "log-text",
  "log-bytes",
  "log-format",
  "main",
] as const;
type AnnotationName = (typeof names)[number];
const wholePod: readonly AnnotationName[] = ["start-delay", "restart-delay", "restart-delay-max"];

/** The behaviour of a pod. Throws Invalid, naming the annotation, when one cannot be understood. */
export function behaviourOf(pod: Pod, settings: BehaviourSettings, seed: number): PodBehaviour {
  const annotations = pod.metadata?.annotations ?? {};
  const containers = new Map(rolesOf(pod).map(({ container, role }) => [container.name, role]));
  for (const key of Object.keys(annotations)) checkName(key, containers);

  const uid = pod.metadata?.uid ?? "";
  const draw = (span: Span, purpose: string): number =>
    typeof span === "number" ? span : Math.round(span[0] + (span[1] - span[0]) * fraction(`${seed}/${uid}/${purpose}`));
  const read = <T>(name: AnnotationName, container: string | undefined, parse: (text: string) => T): T | undefined => {
    const ownKey = container === undefined ? undefined : `${annotationPrefix}${name}.${container}`;
    const key = ownKey !== undefined && ownKey in annotations ? ownKey : `${annotationPrefix}${name}`;
    const isSetForAll = key !== ownKey && container !== undefined;
    // What is said of the pod as a whole speaks of its main containers: init containers have to end, sidecars to stay.
    const role = container === undefined ? undefined : containers.get(container);
    const mainOnly = name === "run-time" || name === "exit-code" || name === "fail-times";
    if (isSetForAll && mainOnly && role !== "main") return undefined;
    const text = annotations[key];
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      const field = `metadata.annotations[${key}]`;
      throw new VirtualKubeletError("Invalid", `${field}: ${error instanceof Error ? error.message : String(error)}`, {
        field,
      });
    }
  };
  const restartDelay = Math.max(1, read("restart-delay", undefined, parseDuration) ?? settings.restartDelay);
  const describe = (name: string): ContainerBehaviour => {
    const role = containers.get(name) ?? "main";
    const runTime =
      role === "main"
        ? settings.runTime === undefined
          ? undefined
          : draw(settings.runTime, `run-time/${name}`)
        : role === "init"
          ? draw(settings.initTime, `init-time/${name}`)
          : undefined;
    return {
      runTime: read("run-time", name, parseDuration) ?? runTime,
      exitCode: read("exit-code", name, parseExitCode) ?? (role === "main" ? settings.exitCode : 0),
      failTimes: read("fail-times", name, parseCount) ?? (role === "main" ? settings.failTimes : 0),
      readyDelay: read("ready-delay", name, parseDuration) ?? draw(settings.readyDelay, `ready-delay/${name}`),
      terminateDelay:
        read("terminate-delay", name, parseDuration) ?? draw(settings.terminateDelay, `terminate-delay/${name}`),
      terminateExitCode: read("terminate-exit-code", name, parseExitCode) ?? settings.terminateExitCode,
      cpu: read("cpu", name, parseCurve) ?? settings.cpu,
      memory: read("memory", name, parseCurve) ?? settings.memory,
      log: {
        interval: Math.max(1, read("log-interval", name, parseDuration) ?? 5000),
        lines: read("log-lines", name, parseCount) ?? Number.POSITIVE_INFINITY,
        text: read("log-text", name, String),
        bytes: read("log-bytes", name, parseBytes) ?? 0,
        format: read("log-format", name, parseFormat) ?? "cri",
        main: read("main", name, parseMain),
      },
    };
  };
  const described = new Map([...containers.keys()].map((name) => [name, describe(name)]));
  return {
    startDelay: read("start-delay", undefined, parseDuration) ?? draw(settings.startDelay, "start-delay"),
    restartDelay,
    restartDelayMax: Math.max(
      restartDelay,
      read("restart-delay-max", undefined, parseDuration) ?? settings.restartDelayMax,
    ),
    container: (name) => described.get(name) ?? describe(name),
  };
}

/** Init containers that stay are sidecars. */
export type ContainerRole = "init" | "sidecar" | "main" | "ephemeral";

/** All containers of a pod in the order of their start. */
export function rolesOf(
  pod: Pod,
): readonly { readonly container: Container | EphemeralContainer; readonly role: ContainerRole }[] {
  return [
    ...(pod.spec?.initContainers ?? []).map((container) => ({
      container,
      role: container.restartPolicy === "Always" ? ("sidecar" as const) : ("init" as const),
    })),
    ...(pod.spec?.containers ?? []).map((container) => ({ container, role: "main" as const })),
    ...(pod.spec?.ephemeralContainers ?? []).map((container) => ({ container, role: "ephemeral" as const })),
  ];
}

function checkName(key: string, containers: ReadonlyMap<string, ContainerRole>): void {
  if (!key.startsWith(annotationPrefix)) return;
  const rest = key.slice(annotationPrefix.length);
  const dot = rest.indexOf(".");
  const name = names.find((candidate) => candidate === (dot < 0 ? rest : rest.slice(0, dot)));
  const field = `metadata.annotations[${key}]`;
  if (name === undefined) {
    throw new VirtualKubeletError("Invalid", `${field}: unknown; known are ${names.join(", ")}`, { field });
  }
  if (dot < 0) return;
  if (wholePod.includes(name)) {
    throw new VirtualKubeletError("Invalid", `${field}: ${name} holds for the whole pod`, { field });
  }
  if (!containers.has(rest.slice(dot + 1))) {
    throw new VirtualKubeletError("Invalid", `${field}: the pod has no such container`, { field });
  }
}

function parseExitCode(text: string): number {
  const code = /^\d{1,3}$/.test(text) ? Number(text) : 256;
  if (code > 255) throw new Error(`${JSON.stringify(text)} is not an exit code (0 to 255)`);
  return code;
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${JSON.stringify(text)} is not a count`);
  return Number(text);
}

/** A number from 0 up to 1 that depends on the text alone. */
function fraction(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;
}
