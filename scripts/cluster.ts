// npm run cluster: a real Kubernetes control plane on this machine until Ctrl-C.
import { parseArgs } from "node:util";
import { errorText } from "../packages/virtual-kubelet/src/errors.ts";
import { kubernetesVersions, startControlPlane } from "../packages/virtual-kubelet/src/testing/index.ts";

const usage = `usage: npm run cluster -- [options]

  --kubernetes <version>  ${kubernetesVersions.join(", ")} (default $VIRTUAL_KUBELET_KUBERNETES_VERSION, then 1.36.3)
  --directory <path>      where to keep data, logs and certificates; must be empty, is deleted at the end
  -h, --help`;

function options(): { readonly version?: string; readonly directory?: string } | undefined {
  const { values } = parseArgs({
    options: {
      kubernetes: { type: "string" },
      directory: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return undefined;
  return {
    ...(values.kubernetes === undefined ? {} : { version: values.kubernetes }),
    ...(values.directory === undefined ? {} : { directory: values.directory }),
  };
}

async function main(): Promise<void> {
  const chosen = options();
  if (chosen === undefined) {
    console.log(usage);
    return;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
  console.log("Starting a control plane ...");
  await using cluster = await startControlPlane({
    ...chosen,
    signal: stop.signal,
    onProgress: (line) => console.log(line),
  });
  console.log(`
Kubernetes ${cluster.version} is ready at ${cluster.server}. It has no nodes yet.

  export KUBECONFIG=${cluster.kubeconfig}
  kubectl get nodes

Logs and data: ${cluster.directory}
Ctrl-C stops it and deletes everything.
`);
  await stopped;
  console.log("Stopping ...");
}

try {
  await main();
} catch (error) {
  const aborted = error instanceof Error && error.name === "AbortError";
  console.error(aborted ? "Stopped." : errorText(error));
  process.exitCode = aborted ? 130 : 1;
}
