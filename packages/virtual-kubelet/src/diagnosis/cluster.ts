// The cluster that a sub-command looks at: the one of the program's flags, environment and configuration file.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { KubeClient } from "../kube/client.ts";
import { connect, resolveClusterConfig } from "../kube/connect.ts";
import { flagSpecs } from "../program/flags.ts";
import { flagText, type LoadedConfig, loadConfig } from "../program/load-config.ts";
import { meantTrial, trialNote } from "../trial/running-trials.ts";
import type { Invocation } from "./run.ts";

/** As the program would have it; where no provider is named, with one that is not asked for anything. Throws UsageError. */
export function configOf({ line, ...input }: Invocation): Promise<LoadedConfig> {
  const given = new Map(line.given);
  const spec = flagSpecs.find(({ name }) => name === "provider");
  if (spec !== undefined && !given.has(spec) && flagText(line, "config") === undefined) given.set(spec, ["mock"]);
  return loadConfig(input, { ...line, given });
}

/**
 * Where nothing says which cluster or which nodes are meant, and a trial runs: its cluster and its nodes, with a word about it.
 * For what has to do with a cluster, before `configOf`.
 */
export function orOfTrial(input: Invocation): Invocation {
  const { line, env, stderr } = input;
  const flags = ["kubeconfig", "kube-context", "config"].map((name) => flagText(line, name));
  const trial = meantTrial(env, ...flags);
  if (trial === undefined || isAboutOwnNode(input)) return input;
  stderr.write(trialNote(trial));
  const given = new Map(line.given);
  for (const spec of flagSpecs) {
    if (spec.name === "kubeconfig") given.set(spec, [trial.kubeconfig]);
    if (spec.name === "config") given.set(spec, [trial.config]);
  }
  return { ...input, line: { ...line, given } };
}

/** Who names a node or its provider, and has a kubeconfig, is about to run it. */
function isAboutOwnNode({ line, env }: Invocation): boolean {
  const isNamed = ["nodename", "provider"].some((name) => flagText(line, name) !== undefined);
  return isNamed && existsSync(join(env["HOME"] ?? homedir(), ".kube/config"));
}

/** A client, and the namespace of the kubeconfig's context. Throws Invalid with what is wrong with the kubeconfig. */
export async function clientOf(
  { kubeconfig: path, kubeContext }: LoadedConfig["config"],
  env: Invocation["env"],
): Promise<{ readonly client: KubeClient; readonly namespace: string }> {
  const kubeconfig = path === env["KUBECONFIG"] ? undefined : path;
  const options = { kubeconfig, context: kubeContext, env: { ...env } };
  const { namespace } = await resolveClusterConfig(options);
  return { client: await connect(options), namespace };
}
