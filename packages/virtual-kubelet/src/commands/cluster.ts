// Which cluster a sub-command speaks to, and calls of it by path.
import { systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { ClusterConfig } from "../kube/cluster-config.ts";
import { basePathOf, type ConnectOptions, createCaller, resolveClusterConfig } from "../kube/connect.ts";
import { ClusterCredentials, type Credentials } from "../kube/credentials.ts";
import { checkMaterial } from "../kube/material.ts";
import type { Call, RetryingCaller } from "../kube/retrying-caller.ts";
import { printableLines } from "../printable.ts";
import { flagText } from "../program/load-config.ts";
import { meantTrial, trialNote } from "../trial/running-trials.ts";
import type { Invocation } from "./invocation.ts";

async function clusterConfig(options: ConnectOptions): Promise<ClusterConfig> {
  try {
    return await resolveClusterConfig(options);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError) || !error.message.startsWith("no cluster:")) throw error;
    throw new VirtualKubeletError("Invalid", `${error.message}; \`virtual-kubelet trial\` starts one to try`);
  }
}

/** What messages of failed calls begin with. */
export const asked = "the API server";

/** A failed call as kubectl tells it, fit for a terminal. */
export function serverError(error: unknown): string {
  return printableLines(failureText(error));
}

function failureText(error: unknown): string {
  const ours = VirtualKubeletError.from(error);
  if (ours.httpStatus === undefined) return `error: ${errorText(error)}`;
  const message = ours.message.startsWith(`${asked}: `) ? ours.message.slice(asked.length + 2) : ours.message;
  return `Error from server (${ours.reason ?? ours.kind}): ${message}`;
}

export interface Cluster extends AsyncDisposable {
  readonly config: ClusterConfig;
  /** Of -n, else of the context. */
  readonly namespace: string;
  readonly caller: RetryingCaller;
  readonly credentials: Credentials;
  /** Reads a path. Throws VirtualKubeletError; see `serverError`. */
  json(path: string, accept?: string): Promise<unknown>;
  /** As json; chunks as they come, for as long as they come. */
  stream(path: string, accept?: string): AsyncIterable<Buffer>;
  /** The path with the prefix of the server. */
  fullPath(path: string): string;
}

/**
 * That of --kubeconfig, else of $KUBECONFIG, else of a trial of this user that runs, else of ~/.kube/config, else the one
 * that the pod is in which this runs. Throws Invalid.
 */
export async function openCluster({ line, env, stderr }: Invocation): Promise<Cluster> {
  const named = flagText(line, "kubeconfig");
  const context = flagText(line, "context") ?? flagText(line, "kube-context");
  const trial = meantTrial(env, named, context);
  if (trial !== undefined) stderr.write(trialNote(trial));
  const config = await clusterConfig({ kubeconfig: named ?? trial?.kubeconfig, context, env: { ...env } });
  await checkMaterial(config);
  const caller = createCaller(config);
  const base = basePathOf(config);
  const call = (path: string, accept: string | undefined): Call => ({
    verb: "get",
    resource: "",
    what: asked,
    method: "GET",
    path: base + path,
    accept,
  });
  return {
    config,
    namespace: flagText(line, "namespace") ?? config.namespace,
    caller,
    credentials: new ClusterCredentials(config, { clock: systemClock }),
    async json(path, accept) {
      const body = await caller.request(call(path, accept));
      const value: unknown = JSON.parse(body.toString("utf8"));
      return value;
    },
    stream: (path, accept) => caller.stream(call(path, accept), {}, (chunks) => chunks),
    fullPath: (path) => base + path,
    [Symbol.asyncDispose]: () => caller.close(),
  };
}
