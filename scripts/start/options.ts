// The command line of `npm start`: everything that is wrong with it is told at once.
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../../packages/virtual-kubelet/src/errors.ts";
import { hint } from "../../packages/virtual-kubelet/src/program/closest.ts";
import { parseDuration } from "../../packages/virtual-kubelet/src/program/duration.ts";
import { kubernetesVersions, resolveKubernetesVersion } from "../../packages/virtual-kubelet/src/testing/binaries.ts";

export const usage = `usage: npm start -- [options]

Starts a Kubernetes control plane on this machine and a virtual node with the mock provider (which simulates containers),
runs the sample of examples/sample there and shows what happens. Ctrl-C stops and deletes everything.

  --kubeconfig <file>     use the cluster of this file instead of a new one; at the end only what was made there is deleted
  --use-kubeconfig        the same with $KUBECONFIG or ~/.kube/config
  --context <name>        a context of that kubeconfig; default its current one
  --kubernetes <version>  of the new control plane: ${kubernetesVersions.join(", ")}
                          (default $VIRTUAL_KUBELET_KUBERNETES_VERSION, then 1.36.3)
  --exit-after-ready      end once the Deployment is available and the Job complete: code 0, or 1 when that takes too long
  --time-limit <time>     how long that may take from when the sample is made; default 1m
  -h, --help`;

export type ClusterChoice =
  | { readonly kind: "new"; readonly version: string }
  | {
      readonly kind: "existing";
      /** Absolute path; absent: what the environment says. */
      readonly kubeconfig?: string | undefined;
      readonly context?: string | undefined;
    };

export interface StartOptions {
  readonly cluster: ClusterChoice;
  readonly exitAfterReady: boolean;
  readonly timeLimitMs: number;
}

/** Its message names every fault, a line each. */
export class OptionsError extends Error {}

const kinds = {
  kubeconfig: "string",
  "use-kubeconfig": "boolean",
  context: "string",
  kubernetes: "string",
  "exit-after-ready": "boolean",
  "time-limit": "string",
  help: "boolean",
} as const;
type Name = keyof typeof kinds;
const isName = (name: string): name is Name => Object.hasOwn(kinds, name);

/** Relative paths are meant from `cwd`. Throws OptionsError. */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv, cwd: string): StartOptions | "help" {
  const faults: string[] = [];
  const given = readFlags(argv, faults);
  if (given.has("help")) return "help";

  const kubeconfig = given.get("kubeconfig");
  const existing = kubeconfig !== undefined || given.has("use-kubeconfig");
  if (kubeconfig !== undefined && given.has("use-kubeconfig"))
    faults.push("--kubeconfig and --use-kubeconfig: give only one of them");
  if (existing && given.has("kubernetes"))
    faults.push("--kubernetes has no effect on a cluster that is there already (--kubeconfig, --use-kubeconfig)");
  if (!existing && given.has("context")) faults.push("--context needs --kubeconfig or --use-kubeconfig");

  let version = "";
  try {
    if (!existing) version = resolveKubernetesVersion(given.get("kubernetes"), env);
  } catch (error) {
    faults.push(
      `${given.has("kubernetes") ? "--kubernetes" : "$VIRTUAL_KUBELET_KUBERNETES_VERSION"}: ${errorText(error)}`,
    );
  }

  const limit = given.get("time-limit") ?? "1m";
  const timeLimitMs = parseDuration(limit) ?? 0;
  if (timeLimitMs <= 0) faults.push(`--time-limit: "${limit}" is no time like 90s or 2m`);
  else if (given.has("time-limit") && !given.has("exit-after-ready"))
    faults.push("--time-limit has no effect without --exit-after-ready");

  if (faults.length > 0) throw new OptionsError(faults.join("\n"));
  const cluster: ClusterChoice = existing
    ? {
        kind: "existing",
        kubeconfig: kubeconfig === undefined ? undefined : resolve(cwd, kubeconfig),
        context: given.get("context"),
      }
    : { kind: "new", version };
  return { cluster, exitAfterReady: given.has("exit-after-ready"), timeLimitMs };
}

function readFlags(argv: readonly string[], faults: string[]): ReadonlyMap<Name, string> {
  const given = new Map<Name, string>();
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(Object.entries(kinds).map(([name, type]) => [name, { type }])),
  });
  for (const token of tokens) {
    if (token.kind === "positional") faults.push(`${token.value}: takes no arguments${mistyped(token.value)}`);
    if (token.kind !== "option") continue;
    const name = token.rawName === "-h" ? "help" : token.name;
    if (!isName(name) || (token.rawName.length < 3 && name !== "help")) {
      faults.push(`${token.rawName}: unknown option${hint(token.name, Object.keys(kinds), "--")}`);
    } else if (kinds[name] === "boolean" && token.value !== undefined) faults.push(`${token.rawName}: takes no value`);
    else if (kinds[name] === "string" && (token.value === undefined || token.value === ""))
      faults.push(`${token.rawName}: needs a value`);
    else given.set(name, token.value ?? "");
  }
  return given;
}

/** npm takes options itself unless `--` stands before them, and passes on their values alone. */
function mistyped(word: string): string {
  return hint(word, Object.keys(kinds), "--") || "; options go behind `npm start --`";
}
