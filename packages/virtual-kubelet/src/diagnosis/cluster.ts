// The cluster that a sub-command looks at: the one of the program's flags, environment and configuration file.
import type { KubeClient } from "../kube/client.ts";
import { connect, resolveClusterConfig } from "../kube/connect.ts";
import { flagSpecs } from "../program/flags.ts";
import { flagText, type LoadedConfig, loadConfig } from "../program/load-config.ts";
import { runningTrials } from "../trial/running-trials.ts";
import type { Invocation } from "./run.ts";

/** As the program would have it; where no provider is named, with one that is not asked for anything. Throws UsageError. */
export function configOf({ line, ...input }: Invocation): Promise<LoadedConfig> {
  const given = new Map(line.given);
  const spec = flagSpecs.find(({ name }) => name === "provider");
  if (spec !== undefined && !given.has(spec) && flagText(line, "config") === undefined) given.set(spec, ["mock"]);
  return loadConfig(input, { ...line, given });
}

/**
 * A client, and the namespace of the kubeconfig's context; where nothing says which cluster, that of a trial which runs goes
 * before ~/.kube/config. Throws Invalid with what is wrong with the kubeconfig.
 */
export async function clientOf(
  { kubeconfig: path, kubeContext }: LoadedConfig["config"],
  env: Invocation["env"],
): Promise<{ readonly client: KubeClient; readonly namespace: string }> {
  const [trial] = path === undefined && kubeContext === undefined && !env["KUBECONFIG"] ? runningTrials(env) : [];
  const kubeconfig = path === env["KUBECONFIG"] ? trial?.kubeconfig : path;
  const options = { kubeconfig, context: kubeContext, env: { ...env } };
  const { namespace } = await resolveClusterConfig(options);
  return { client: await connect(options), namespace };
}
