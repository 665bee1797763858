// The configuration of the nodes of a trial, as it would stand in a file of the user's: it is written to one, and read from there.
import type { TrialProvider } from "./options.ts";

export interface NodeConfigOptions {
  readonly provider: TrialProvider;
  readonly names: readonly string[];
  /** Absolute; below it the provider keeps its state. */
  readonly directory: string;
  /** The cluster is the trial's own: nobody else's pods are to be kept off the nodes. */
  readonly ownCluster: boolean;
  /** Address of the nodes and of their kubelet API; undefined: what the program chooses, on all of the machine's. */
  readonly address: string | undefined;
  /** Whether this process is root. */
  readonly isRoot: boolean;
  /** Of the container engine; undefined: the one that the provider finds. */
  readonly engine: string | undefined;
}

/** The content of the program's configuration file. */
export function nodeConfig(options: NodeConfigOptions): Readonly<Record<string, unknown>> {
  const { provider, names, ownCluster, address } = options;
  const settings = providerConfig(options);
  return {
    nodeDefaults: {
      provider: { name: provider, ...(settings === undefined ? {} : { config: settings }) },
      // Others may run here: free ports.
      port: 0,
      ...(address === undefined ? {} : { internalIP: address }),
      // Whatever is created in a cluster of one's own is to run.
      ...(ownCluster ? { taints: [] } : {}),
    },
    nodes: names.map((name) => ({ name })),
    node: { onShutdown: "delete" },
    ...(address === undefined ? {} : { kubelet: { address } }),
    metricsAddr: "127.0.0.1:0",
    // What is in a cluster of the user's is not for everybody on this machine.
    ...(ownCluster ? { webView: { enabled: true, insecureWithoutAuthentication: true } } : {}),
  };
}

function providerConfig({ provider, directory, isRoot, engine }: NodeConfigOptions): unknown {
  switch (provider) {
    case "mock":
      return undefined;
    case "process":
      return {
        stateDirectory: directory,
        // Namespaces need root.
        isolation: isRoot ? "namespaces" : "none",
        images: { "*": "host" },
      };
    case "containers":
      return { stateDirectory: directory, ...(engine === undefined ? {} : { endpoint: engine }) };
  }
}
