// npm start: a control plane (or the user's cluster), a virtual node with the mock provider, and the sample, shown live until
// Ctrl-C. Leaves nothing behind.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText, isErrorKind, VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { nodes } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Node } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { findOnPath } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { ClusterWatch } from "./start/cluster-watch.ts";
import { OptionsError, readOptions, type StartOptions, usage } from "./start/options.ts";
import { buildProgram, type Program, quote, startProgram } from "./start/program.ts";
import { type CreatedObject, createSample, deleteSample, readSample, type SampleObject } from "./start/sample.ts";
import { Screen } from "./start/screen.ts";
import { milliseconds } from "./start/view.ts";

const nodeName = "vk-1";
const sampleDirectory = join(import.meta.dirname, "../examples/sample");
const screen = new Screen(process.stdout);

const stop = new AbortController();
let stopAskedAt = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // One Ctrl-C may come twice, from the terminal and from npm; a second one from the user takes longer. What is left then
    // is cleaned up by the processes that watch over ours, except in a cluster of the user's.
    if (signal === "SIGINT" && stopAskedAt > 0 && performance.now() - stopAskedAt > 500) process.exit(130);
    if (stopAskedAt === 0) stopAskedAt = performance.now();
    stop.abort();
  });
}

// Nobody reads on, as behind `npm start | head`, or the terminal is gone.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => stop.abort());

interface Place {
  /** The administrator's, for the sample and the view. */
  readonly client: KubeClient;
  /** What the program is given. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** What is there was made by others: at the end exactly what is ours is deleted. */
  readonly isForeign: boolean;
  /** What to type so that kubectl speaks to it. */
  readonly kubectl: { readonly prepare?: string | undefined; readonly command: string };
}

async function main(options: StartOptions): Promise<void> {
  const { signal } = stop;
  const sample = await readSample(sampleDirectory);
  await using stack = new AsyncDisposableStack();
  const place = await prepare(options, stack);

  const watch = new ClusterWatch(place.client, nodeName);
  const watching = new AbortController();
  const watched = watch.run(watching.signal);
  stack.defer(async () => {
    watching.abort();
    await watched;
  });
  await Promise.race([watch.synced(), aborted(signal)]);
  signal.throwIfAborted();

  const group = stack.use(new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-start-" }));
  const program = await startProgram({
    group,
    node: nodeName,
    kubeconfig: place.kubeconfig,
    context: place.context,
    // Our own control plane is on this machine; where the user's is, the user may have said.
    address: process.env["VKUBELET_POD_IP"] || (place.isForeign ? undefined : "127.0.0.1"),
  });
  stack.defer(() => cleaned(stopProgram(program, watch, place)));
  const failure = new AbortController();
  const over = AbortSignal.any([signal, failure.signal]);
  void program.ended.then((how) => failure.abort(new VirtualKubeletError("Internal", `virtual-kubelet ended: ${how}`)));

  try {
    screen.print(`Starting a virtual node:\n  ${program.command}`);
    await nodeReady(watch, over);
    const created: CreatedObject[] = [];
    if (place.isForeign) stack.defer(() => cleaned(removeSample(place.client, watch, created)));
    screen.print(`Making the sample of examples/sample: ${sample.map(titleOf).join(", ")}`);
    await createSample(place.client, sample, (object) => created.push(object), over);
    if (!options.exitAfterReady) await printHints(place, program);
    await present(options, sample, watch, over);
  } catch (error) {
    if (signal.aborted) throw error;
    const why = failure.signal.aborted ? failure.signal.reason : error;
    const log = (await program.logTail()).replaceAll(/^/gm, "  ");
    throw new VirtualKubeletError("Internal", `${errorText(why)}\nThe last lines of its log:\n${log}`);
  } finally {
    screen.print(place.isForeign ? "Deleting the sample and the node ..." : "Stopping and deleting everything ...");
  }
}

/** Ready, and free of the taint that the control plane takes off a new node a moment later. */
function isUsable(node: Node | undefined): boolean {
  const ready = node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  return ready === true && node?.spec?.taints?.some(({ key }) => key === "node.kubernetes.io/not-ready") !== true;
}

async function nodeReady(watch: ClusterWatch, over: AbortSignal): Promise<void> {
  const limitMs = 60_000;
  try {
    await watch.until(() => isUsable(watch.node), AbortSignal.any([over, AbortSignal.timeout(limitMs)]));
  } catch (error) {
    if (over.aborted) throw error;
    throw new VirtualKubeletError("Unavailable", `the node was not Ready within ${milliseconds(limitMs)}`);
  }
}

/** Shows what happens until the signal aborts or, where that is asked for, the sample is done. Rejects with why it is not. */
async function present(
  { exitAfterReady, timeLimitMs }: StartOptions,
  sample: readonly SampleObject[],
  watch: ClusterWatch,
  over: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const showing = screen.show(watch, AbortSignal.any([over, done.signal]));
  const missing = (): readonly string[] => whatIsMissing(sample, watch);
  const started = performance.now();
  try {
    if (!exitAfterReady) await aborted(over);
    over.throwIfAborted();
    const late = AbortSignal.timeout(timeLimitMs);
    await watch.until(() => missing().length === 0, AbortSignal.any([over, late]));
  } catch (error) {
    if (over.aborted) throw error;
    throw new VirtualKubeletError(
      "Unavailable",
      `not ready within ${milliseconds(timeLimitMs)}: ${missing().join(", ")}`,
    );
  } finally {
    done.abort();
    await showing;
  }
  if (!process.stdout.isTTY) {
    screen.print("");
    screen.printView(watch.snapshot());
  }
  screen.print(`\nReady ${milliseconds(performance.now() - started)} after the sample was made.`);
}

function whatIsMissing(sample: readonly SampleObject[], watch: ClusterWatch): readonly string[] {
  const { node, workloads } = watch.snapshot();
  const missing = node?.status === "Ready" ? [] : [`node/${nodeName} is ${node?.status ?? "not registered"}`];
  for (const object of sample) {
    const title = titleOf(object);
    const found = workloads.find(({ kind, name }) => `${kind}/${name}` === title);
    if (found?.done !== true) missing.push(`${title} ${found?.progress ?? "is not there"}`);
  }
  return missing;
}

/** Cluster and program, at the same time. A build that fails ends the start of the cluster, which may take minutes. */
async function prepare(options: StartOptions, stack: AsyncDisposableStack): Promise<Place> {
  const failed = new AbortController();
  const signal = AbortSignal.any([stop.signal, failed.signal]);
  const building = prepareProgram().catch((error: unknown) => failed.abort(error));
  try {
    return await prepareCluster(options, stack, signal);
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    await building;
    stop.signal.throwIfAborted();
    failed.signal.throwIfAborted();
  }
}

async function prepareProgram(): Promise<void> {
  const started = performance.now();
  const told = setTimeout(() => screen.print("Building the program ..."), 500);
  try {
    await buildProgram(stop.signal);
  } finally {
    clearTimeout(told);
  }
  const took = performance.now() - started;
  if (took > 500) screen.print(`Built the program in ${milliseconds(took)}.`);
}

async function prepareCluster(
  { cluster }: StartOptions,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Place> {
  if (cluster.kind === "existing") {
    const { kubeconfig, context } = cluster;
    const client = await connect({ kubeconfig, context, fieldManager: "npm-start" });
    stack.defer(() => client.close());
    await checkCluster(client, signal);
    screen.print(`Using the cluster at ${client.server}; what is made there is deleted at the end.`);
    const prepare = kubeconfig === undefined ? undefined : `export KUBECONFIG=${quote(kubeconfig)}`;
    const command = context === undefined ? "kubectl" : `kubectl --context ${quote(context)}`;
    return { client, kubeconfig, context, isForeign: true, kubectl: { prepare, command } };
  }
  const started = performance.now();
  screen.print(`Starting a control plane, Kubernetes ${cluster.version} ...`);
  const controlPlane = await startControlPlane({
    version: cluster.version,
    signal,
    // Once the start is to end, that its parts end is no news.
    onProgress: (line) => signal.aborted || screen.print(`  ${line}`),
  });
  stack.use(controlPlane);
  screen.print(`It is ready at ${controlPlane.server} after ${milliseconds(performance.now() - started)}.`);
  const client = await connect({ kubeconfig: controlPlane.kubeconfig, fieldManager: "npm-start" });
  stack.defer(() => client.close());
  return {
    client,
    kubeconfig: controlPlane.kubeconfig,
    isForeign: false,
    kubectl: { prepare: `export KUBECONFIG=${quote(controlPlane.kubeconfig)}`, command: "kubectl" },
  };
}

/** Can it be reached, and is the name free? What others made is not to be taken over: it would be deleted at the end. */
async function checkCluster(client: KubeClient, signal: AbortSignal): Promise<void> {
  try {
    await client.get(nodes, { name: nodeName }, { signal, timeoutMs: 10_000 });
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return;
    signal.throwIfAborted();
    throw new VirtualKubeletError("Unavailable", `cannot use the cluster at ${client.server}`, { cause: error });
  }
  throw new VirtualKubeletError(
    "Conflict",
    `the cluster at ${client.server} has a node ${nodeName} already; not touched. \`kubectl delete node ${nodeName}\` deletes it.`,
  );
}

async function printHints({ kubectl }: Place, program: Program): Promise<void> {
  const { prepare, command } = kubectl;
  const lines = [
    ...(prepare === undefined ? [] : [prepare]),
    `${command} get pods -o wide`,
    `${command} logs -f deployment/sample-web`,
    `${command} exec -it deployment/sample-web -- sh`,
    `${command} scale deployment sample-web --replicas=10`,
    `${command} delete pod -l app=sample-web --wait=false`,
    `${command} describe node ${nodeName}`,
  ];
  const metrics = await program.metricsAddress();
  if (metrics !== undefined) lines.push(`curl http://${metrics}/metrics`);
  lines.push(`tail -f ${quote(program.logFile)}`);
  const missing = (await findOnPath("kubectl")) === undefined;
  const how = missing ? " (kubectl is not on the PATH: https://kubernetes.io/docs/tasks/tools/)" : "";
  const all = lines.map((line) => `  ${line}`).join("\n");
  screen.print(`\nTry in another terminal${how}:\n\n${all}\n\nCtrl-C stops and deletes what was made here.\n`);
}

/** While node and program are still there: the pods end as pods do. */
async function removeSample(client: KubeClient, watch: ClusterWatch, created: readonly CreatedObject[]): Promise<void> {
  await deleteSample(client, created);
  if (created.length === 0) return;
  try {
    await watch.until(() => watch.samplePods === 0, AbortSignal.timeout(30_000));
  } catch {
    throw new VirtualKubeletError(
      "Unavailable",
      `${watch.samplePods} pods of the sample are still there 30 s after their deletion`,
    );
  }
}

async function stopProgram(program: Program, watch: ClusterWatch, { isForeign }: Place): Promise<void> {
  const inTime = await program.stop(15_000);
  if (!isForeign || watch.node === undefined) return;
  try {
    await watch.until(() => watch.node === undefined, AbortSignal.timeout(inTime ? 5_000 : 1_000));
  } catch {
    throw new VirtualKubeletError(
      "Unavailable",
      `the node is still there; \`kubectl delete node ${nodeName}\` deletes it`,
    );
  }
}

const titleOf = ({ resource, name }: SampleObject): string => `${resource.kind.toLowerCase()}/${name}`;

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

/** Does all that is left to do at the end, whatever of it fails; the fault is told and seen by the exit code. */
async function cleaned(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    fail(errorText(error));
  }
}

function fail(message: string, code = 1): void {
  process.stderr.write(`${screen.paint("red", "error:")} ${message}\n`);
  process.exitCode = code;
}

try {
  const options = readOptions(process.argv.slice(2), process.env, process.env["INIT_CWD"] ?? process.cwd());
  if (options === "help") screen.print(usage);
  else {
    try {
      await main(options);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      if (options.exitAfterReady) process.exitCode = 130;
    }
    if (stop.signal.aborted)
      screen.print(process.exitCode === 1 ? "Stopped, but see above." : "Stopped, nothing is left.");
  }
} catch (error) {
  if (error instanceof OptionsError) fail(`${error.message}\n\n${usage}`, 2);
  // Messages without a cause may have lines: those of the compiler and of the program's log.
  else fail(error instanceof Error && error.cause === undefined ? error.message : errorText(error));
}
