// npm start: the trial (`virtual-kubelet trial`), from the sources; or the same on a real control plane.
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { UsageError } from "../packages/virtual-kubelet/src/program/fault.ts";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { fieldManager, type Place, type PlaceInput } from "../packages/virtual-kubelet/src/trial/place.ts";
import { runTrial } from "../packages/virtual-kubelet/src/trial/trial.ts";
import { milliseconds } from "../packages/virtual-kubelet/src/trial/view.ts";
import { readOptions, usage } from "./start/options.ts";

async function realControlPlane(version: string, { print, stop, stack }: PlaceInput): Promise<Place> {
  const { signal } = stop;
  const started = performance.now();
  print(`Starting a control plane, Kubernetes ${version} ...`);
  const controlPlane = await startControlPlane({
    version,
    signal,
    // Once the start is to end, that its parts end is no news.
    onProgress: (line) => signal.aborted || print(`  ${line}`),
  });
  stack.use(controlPlane);
  const { kubeconfig, server } = controlPlane;
  print(`It is ready at ${server} after ${milliseconds(performance.now() - started)}.`);
  const client = await connect({ kubeconfig, fieldManager });
  stack.defer(() => client.close());
  return { client, kubeconfig, kind: "own" };
}

const { env } = process;
const cwd = env["INIT_CWD"] ?? process.cwd();
try {
  const options = readOptions(process.argv.slice(2), env, cwd);
  if (options === "help") process.stdout.write(usage(Math.min(process.stdout.columns ?? 100, 120)));
  else {
    const { trial, kubernetes } = options;
    const prepare = kubernetes === undefined ? undefined : (input: PlaceInput) => realControlPlane(kubernetes, input);
    process.exitCode = await runTrial({ options: trial, env, cwd, prepare });
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nTry "npm start -- --help".\n`);
  process.exitCode = 2;
}
