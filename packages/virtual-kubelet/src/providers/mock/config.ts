// Configuration of the mock: the file of the Go implementation's mock ({"<node>": {cpu, memory, pods, others, providerID}}),
// and settings of our own beside it. All faults are reported at once.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { parse } from "yaml";
import { errorText, VirtualKubeletError } from "../../errors.ts";
import { configFaults } from "../../host/provider-config.ts";
import { parseQuantity } from "../../kube/quantity.ts";
import { parseRange } from "./addresses.ts";
import type { BehaviourSettings } from "./behaviour.ts";
import { parseDuration } from "./duration.ts";
import { type FaultSettings, faultKinds, faultMethods } from "./faults.ts";
import { parseCurve } from "./usage.ts";

/** Section of the file that holds for all nodes; no node can be called so. */
export const commonSection = "$mock";

export interface MockConfig {
  readonly cpu: string;
  readonly memory: string;
  readonly pods: string;
  /** Further resources. */
  readonly others: Readonly<Record<string, string>>;
  readonly providerID: string | undefined;
  /** Ranges of pod addresses, one per IP family, the primary first. */
  readonly addresses: readonly string[];
  readonly seed: number;
  readonly consistencyDelayMs: number;
  /**
   * Address of a backend in another process (`unix:///path` or `http://host:port`); undefined: in this process. That
   * backend has its own addresses, seed and behaviour; consistencyDelayMs is what the provider declares of it.
   */
  readonly backend: string | undefined;
  readonly behaviour: Partial<BehaviourSettings>;
  readonly faults: FaultSettings;
}

/** What a parser that throws makes of a text: its message becomes the fault. */
const parsedBy = <I extends string | number, T>(parseText: (text: string) => T): v.RawTransformAction<I, T> =>
  v.rawTransform<I, T>(({ dataset, addIssue, NEVER }) => {
    try {
      return parseText(String(dataset.value));
    } catch (error) {
      addIssue({ message: errorText(error) });
      return NEVER;
    }
  });
const quantity = v.pipe(
  v.union([v.string(), v.number()], "must be a quantity"),
  parsedBy((text) => {
    if (parseQuantity(text) < 0n) throw new Error("must not be negative");
    return text;
  }),
);
const duration = v.pipe(v.union([v.string(), v.literal(0)], "must be a duration"), parsedBy(parseDuration));
const curve = v.pipe(v.union([v.string(), v.number()], "must be a usage"), parsedBy(parseCurve));
const span = v.union([
  duration,
  v.pipe(
    v.tuple([duration, duration]),
    v.check(([from, to]) => from <= to, "must not begin above its end"),
  ),
]);
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const exitCode = v.pipe(count, v.maxValue(255));
const range = v.pipe(
  v.string(),
  parsedBy((text) => {
    parseRange(text);
    return text;
  }),
);
const method = v.picklist(faultMethods);
const settings = v.strictObject({
  cpu: v.optional(quantity),
  memory: v.optional(quantity),
  pods: v.optional(quantity),
  others: v.optional(v.record(v.string(), quantity)),
  providerID: v.optional(v.string()),
  addresses: v.optional(
    v.pipe(
      v.array(range),
      v.minLength(1),
      v.maxLength(2),
      v.check((list) => list[1] === undefined || familyOf(list[0]) !== familyOf(list[1]), "must be of two IP families"),
    ),
  ),
  seed: v.optional(v.pipe(v.number(), v.integer())),
  consistencyDelay: v.optional(duration),
  backend: v.optional(
    v.pipe(v.string(), v.regex(/^(unix:\/\/\/.+|http:\/\/[^/?#]+\/?)$/, "must be unix:///path or http://host:port")),
  ),
  behaviour: v.optional(
    v.strictObject({
      startDelay: v.exactOptional(span),
      runTime: v.exactOptional(span),
      initTime: v.exactOptional(span),
      exitCode: v.exactOptional(exitCode),
      failTimes: v.exactOptional(count),
      readyDelay: v.exactOptional(span),
      terminateDelay: v.exactOptional(span),
      terminateExitCode: v.exactOptional(exitCode),
      restartDelay: v.exactOptional(v.pipe(duration, v.minValue(1, "must be longer than 0"))),
      restartDelayMax: v.exactOptional(v.pipe(duration, v.minValue(1, "must be longer than 0"))),
      cpu: v.exactOptional(curve),
      memory: v.exactOptional(curve),
    }),
  ),
  faults: v.optional(
    v.strictObject({
      latency: v.optional(v.record(v.union([method, v.literal("*")]), span)),
      errors: v.optional(
        v.array(
          v.strictObject({
            method,
            kind: v.picklist(faultKinds),
            probability: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
            next: v.optional(count),
            when: v.optional(v.picklist(["before", "after"])),
            message: v.optional(v.string()),
            retryAfter: v.optional(duration),
          }),
        ),
      ),
      hangs: v.optional(
        v.array(
          v.strictObject({
            method,
            probability: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
            next: v.optional(count),
            ignoreAbort: v.optional(v.boolean()),
          }),
        ),
      ),
      cutWatchEvery: v.optional(v.pipe(duration, v.minValue(1, "must be longer than 0"))),
    }),
  ),
});
type Settings = v.InferOutput<typeof settings>;
/** Said to the backend itself when it is another process. */
const ofBackend = ["addresses", "seed", "behaviour"] as const;

/** The configuration of one node, from a file, an object or nothing. Throws Invalid with all faults in one message. */
export async function readMockConfig(
  node: string,
  source: { readonly path?: string | undefined; readonly object?: unknown },
): Promise<MockConfig> {
  if (source.path !== undefined && source.object !== undefined) {
    throw new VirtualKubeletError("Invalid", "mock provider: both a configuration file and an object are given");
  }
  if (source.path === undefined) {
    const faults: string[] = [];
    const own = check(source.object ?? {}, "", faults);
    if (own.backend !== undefined) faults.push(...misplaced(own, ""));
    refuse("mock provider configuration", faults);
    return complete(own, { cpu: "64", memory: "256Gi", pods: "1000" });
  }
  const where = `mock provider configuration ${source.path}`;
  let file: unknown;
  try {
    file = parse(await readFile(source.path, "utf8"));
  } catch (error) {
    throw new VirtualKubeletError("Invalid", `${where}: ${errorText(error)}`, { cause: error });
  }
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new VirtualKubeletError("Invalid", `${where}: must be an object with a section for each node`);
  }
  const faults: string[] = [];
  const sections = new Map(Object.entries(file).map(([name, value]) => [name, check(value, name, faults)]));
  const common = sections.get(commonSection) ?? {};
  const own = { ...common, ...sections.get(node) };
  // In the common section they may be for the backend, when it reads the same file.
  if (own.backend !== undefined && node !== commonSection)
    faults.push(...misplaced(sections.get(node) ?? {}, `${node}.`));
  refuse(where, faults);
  // As the Go implementation's own defaults, which a file without this node's name was meant to get.
  return complete(own, { cpu: "20", memory: "100Gi", pods: "20" });
}

function check(value: unknown, section: string, faults: string[]): Settings {
  const result = v.safeParse(settings, value);
  if (result.success) return result.output;
  const prefix = section === "" ? "" : `${section}.`;
  faults.push(...configFaults(settings, value, result.issues).map((fault) => `${prefix}${fault}`));
  return {};
}

function misplaced(given: Settings, section: string): readonly string[] {
  return ofBackend
    .filter((key) => given[key] !== undefined)
    .map((key) => `${section}${key}: has no effect beside backend, which has its own configuration`);
}

function refuse(where: string, faults: readonly string[]): void {
  const [first] = faults;
  if (first === undefined) return;
  throw new VirtualKubeletError("Invalid", `${where}: ${faults.join("; ")}`, {
    field: first.slice(0, first.indexOf(":")),
  });
}

function complete(given: Settings, defaults: Pick<MockConfig, "cpu" | "memory" | "pods">): MockConfig {
  return {
    cpu: given.cpu ?? defaults.cpu,
    memory: given.memory ?? defaults.memory,
    pods: given.pods ?? defaults.pods,
    others: given.others ?? {},
    providerID: given.providerID === "" ? undefined : given.providerID,
    addresses: given.addresses ?? ["10.244.0.0/16"],
    seed: given.seed ?? 0,
    consistencyDelayMs: given.consistencyDelay ?? 0,
    backend: given.backend,
    behaviour: given.behaviour ?? {},
    faults: given.faults ?? {},
  };
}

function familyOf(cidr: string | undefined): number {
  return cidr?.includes(":") === true ? 6 : 4;
}
