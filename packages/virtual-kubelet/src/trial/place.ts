// Where a trial runs: a cluster of its own in this process, or one of the user's.
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { connect } from "../kube/connect.ts";
import { nodes } from "../kube/resource.ts";
import type { TrialCluster } from "./options.ts";
import type { Stop } from "./stop.ts";
import { milliseconds } from "./view.ts";

export interface Place {
  /** The administrator's, for the sample and the view. */
  readonly client: KubeClient;
  /** What the program is given. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /**
   * "own": ends with the trial; "kept": the same, but is there again next time; "foreign": what is there was made by others,
   * so that at the end exactly what is ours is deleted.
   */
  readonly kind: "own" | "kept" | "foreign";
}

export interface PlaceInput {
  readonly cluster: TrialCluster;
  /** Names of the nodes that are to be made. */
  readonly names: readonly string[];
  readonly print: (text: string) => void;
  readonly stop: Stop;
  /** What is to be closed at the end goes here. */
  readonly stack: AsyncDisposableStack;
}

export const fieldManager = "virtual-kubelet-trial";

export async function prepareCluster(input: PlaceInput): Promise<Place> {
  return input.cluster.kind === "own" ? ownCluster(input, input.cluster.directory) : existingCluster(input);
}

async function ownCluster({ print, stop, stack }: PlaceInput, directory: string | undefined): Promise<Place> {
  const started = performance.now();
  print("Starting a Kubernetes control plane in this process (for trials, not for production) ...");
  const { startDevCluster } = await loadDevCluster();
  const cluster = await startDevCluster({ directory });
  stack.use(cluster);
  if (directory === undefined) stop.removeAtExit(cluster.directory);
  print(`Kubernetes ${cluster.version} API at ${cluster.server} after ${milliseconds(performance.now() - started)}.`);
  const { kubeconfig } = cluster;
  const client = await connect({ kubeconfig, fieldManager });
  stack.defer(() => client.close());
  return { client, kubeconfig, kind: directory === undefined ? "own" : "kept" };
}

async function loadDevCluster(): Promise<typeof import("@virtual-kubelet/dev-cluster")> {
  try {
    return await import("@virtual-kubelet/dev-cluster");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    throw new VirtualKubeletError(
      "NotFound",
      "the package @virtual-kubelet/dev-cluster is not there: install it, or in a clone run `npm start` or `npm run build`",
      { cause: error },
    );
  }
}

async function existingCluster({ cluster, names, print, stop, stack }: PlaceInput): Promise<Place> {
  const { kubeconfig, context } = cluster.kind === "existing" ? cluster : {};
  const client = await connect({ kubeconfig, context, fieldManager });
  stack.defer(() => client.close());
  await checkNames(client, names, stop.signal);
  print(`Using the cluster at ${client.server}; what is made there is deleted at the end.`);
  return { client, kubeconfig, context, kind: "foreign" };
}

/** Can it be reached, and are the names free? What others made is not to be taken over: it would be deleted at the end. */
async function checkNames(client: KubeClient, names: readonly string[], signal: AbortSignal): Promise<void> {
  for (const name of names) {
    try {
      await client.get(nodes, { name }, { signal, timeoutMs: 10_000 });
    } catch (error) {
      if (isErrorKind(error, "NotFound")) continue;
      signal.throwIfAborted();
      throw new VirtualKubeletError("Unavailable", `cannot use the cluster at ${client.server}: ${errorText(error)}`);
    }
    throw new VirtualKubeletError(
      "Conflict",
      `the cluster at ${client.server} has a node ${name} already; not touched. If a trial that was killed has left it: kubectl delete node ${name}; if it is yours, use another cluster.`,
    );
  }
}
