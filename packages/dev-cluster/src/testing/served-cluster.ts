// A development cluster for tests with one node, n1, that runs whatever is bound to it.
import { type DevClusterOptions, startDevCluster } from "../dev-cluster.ts";
import { ApiCaller } from "./api-caller.ts";
import { runNode } from "./node.ts";

export interface ServedCluster {
  /** The administrator's. */
  readonly api: ApiCaller;
  stop(): Promise<void>;
}

export async function startServedCluster(options: DevClusterOptions = {}): Promise<ServedCluster> {
  const cluster = await startDevCluster(options);
  const ended = new AbortController();
  const node = new ApiCaller(cluster, await cluster.kubeconfigFor("system:node:n1", ["system:nodes"]));
  const running = runNode(node, "n1", ended.signal);
  return {
    api: new ApiCaller(cluster),
    async stop() {
      await using _ = cluster;
      ended.abort();
      await running;
    },
  };
}
