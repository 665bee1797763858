// `virtual-kubelet trial`: a control plane, virtual nodes and a sample on them, shown live until Ctrl-C. Leaves nothing behind.
import { mkdtempSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { removeTree } from "../host/mounts.ts";
import type { Node } from "../kube/types.gen.ts";
import { printableLines } from "../printable.ts";
import { UsageError } from "../program/fault.ts";
import { cleanUp } from "./clean-up.ts";
import { ClusterWatch } from "./cluster-watch.ts";
import { hintText } from "./hints.ts";
import { nodeConfig } from "./node-config.ts";
import { openBrowser } from "./open-browser.ts";
import type { TrialOptions } from "./options.ts";
import { ownCommand } from "./own-command.ts";
import { type Place, type PlaceInput, prepareCluster } from "./place.ts";
import { findProgram } from "./program-on-path.ts";
import { type RunningNode, runNode } from "./running-node.ts";
import { announceTrial } from "./running-trials.ts";
import { type CreatedObject, createSample, type SampleObject, sampleObjects } from "./sample.ts";
import { Screen } from "./screen.ts";
import { aborted, Stop } from "./stop.ts";
import { milliseconds } from "./view.ts";

export interface TrialInput {
  readonly options: TrialOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Brings the cluster; default as the options say. */
  readonly prepare?: ((input: PlaceInput) => Promise<Place>) | undefined;
}

interface Trial extends TrialInput {
  readonly screen: Screen;
  readonly stop: Stop;
  readonly names: readonly string[];
  readonly sample: readonly SampleObject[];
  readonly fail: (message: string) => void;
}

/** Until it is told to end. 0: it was, and nothing is left; 1: a fault, told; 130: told before it was ready, where it was to end then. */
export async function runTrial(input: TrialInput): Promise<number> {
  const { options } = input;
  const screen = new Screen(process.stdout);
  using stop = new Stop();
  let faults = 0;
  const fail = (message: string): void => {
    faults += 1;
    process.stderr.write(`${screen.paint("red", "error:")} ${printableLines(message)}\n`);
  };
  const names = Array.from({ length: options.nodes }, (_, index) => `vk-${index + 1}`);
  try {
    await run({ ...input, screen, stop, names, fail, sample: sampleObjects(options) });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (!stop.signal.aborted) fail(errorOf(error));
  }
  const isStopped = stop.signal.aborted;
  if (!isStopped && faults > 0) return 1;
  screen.print(faults > 0 ? "Stopped, but see above." : "Stopped, nothing is left.");
  return faults > 0 ? 1 : isStopped && options.exitAfterReady ? 130 : 0;
}

/** Messages without a cause may have lines: those of the program's log. */
const errorOf = (error: unknown): string =>
  error instanceof Error && error.cause === undefined ? error.message : errorText(error);

async function run(trial: Trial): Promise<void> {
  const { options, screen, stop, names, sample, fail } = trial;
  const { signal } = stop;
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-trial-"));
  stop.removeAtExit(directory);
  // Providers may have mounted something in it.
  stack.defer(() => removeTree(directory).catch((error: unknown) => fail(errorText(error))));
  const state = join(directory, "state");
  await mkdir(state, { mode: 0o700 });

  const print = (text: string): void => screen.print(text);
  const prepare = trial.prepare ?? prepareCluster;
  const place = await prepare({ cluster: options.cluster, names, print, stop, stack });
  signal.throwIfAborted();

  const watch = new ClusterWatch(place.client, names);
  const watching = new AbortController();
  const watched = watch.run(watching.signal);
  stack.defer(async () => {
    watching.abort();
    await watched;
  });
  await Promise.race([watch.synced(), aborted(signal)]);
  signal.throwIfAborted();

  const started = performance.now();
  const node = await startNode(trial, place, directory, state);
  const created: CreatedObject[] = [];
  stack.defer(() => cleanUp({ place, options, watch, node, created, state, fail }));
  const failure = new AbortController();
  const over = AbortSignal.any([signal, failure.signal]);
  const told = (fault: VirtualKubeletError): void =>
    failure.abort(new VirtualKubeletError(fault.kind, errorText(fault) + advice(options, fault)));
  void node.ended.then((fault) => told(fault ?? new VirtualKubeletError("Internal", "virtual-kubelet has ended")));
  void node.providerFault.then((how) => told(new VirtualKubeletError("Unavailable", how)));

  try {
    await nodesReady(watch, names, over);
    screen.print(`${nodesText(names)} Ready after ${milliseconds(performance.now() - started)}.`);
    const titles = sample.map(titleOf).join(" and ");
    screen.print(`Making a sample: ${titles}`);
    const onCreated = (object: CreatedObject): void => void created.push(object);
    const keepExisting = place.kind === "kept";
    await createSample({ client: place.client, sample, keepExisting, onCreated }, over);
    if (!options.exitAfterReady) await hint(trial, place, node);
    await present(trial, watch, over);
  } catch (error) {
    if (signal.aborted) throw error;
    const why: unknown = failure.signal.aborted ? failure.signal.reason : error;
    if (failure.signal.aborted && !isErrorKind(why, "Internal")) throw why;
    const log = (await node.logTail()).replaceAll(/^/gm, "  ");
    throw new VirtualKubeletError("Internal", `${errorText(why)}\nThe last lines of its log:\n${log}`);
  } finally {
    screen.print(
      `${place.kind === "foreign" ? "Deleting the sample and the node" : "Stopping and deleting everything"} ... (Ctrl-C again ends at once)`,
    );
  }
}

function advice({ provider }: TrialOptions, { kind }: VirtualKubeletError): string {
  if (provider !== "containers") return "";
  if (kind === "NotFound")
    return "\nWithout installing it: npx -p @virtual-kubelet/virtual-kubelet -p @virtual-kubelet/provider-containers virtual-kubelet trial --provider containers";
  if (kind !== "Unavailable") return "";
  return "\nIs Docker or Podman running? --engine says where (unix:///path). Podman listens once its socket does: systemctl start podman.socket. --provider process needs none.";
}

const nodesText = (names: readonly string[]): string =>
  names.length === 1 ? `Virtual node ${names[0] ?? ""} is` : `${names.length} virtual nodes are`;

async function startNode(trial: Trial, place: Place, directory: string, state: string): Promise<RunningNode> {
  const { options, names, env, cwd, screen } = trial;
  const what = {
    mock: "which simulates containers",
    process: "containers are processes here",
    containers: "real containers",
  };
  screen.print(
    `Starting ${names.length === 1 ? "a virtual node" : `${names.length} virtual nodes`}, provider ${options.provider} (${what[options.provider]}) ...`,
  );
  const isForeign = place.kind === "foreign";
  return runNode({
    config: nodeConfig({
      provider: options.provider,
      names,
      directory: state,
      ownCluster: !isForeign,
      // A cluster of our own is on this machine; where the user's is, the user may have said.
      address: env["VKUBELET_POD_IP"] || (isForeign ? undefined : "127.0.0.1"),
      isRoot: process.getuid?.() === 0,
      engine: options.engine,
    }),
    kubeconfig: place.kubeconfig,
    context: place.context,
    directory,
    // What the environment says of nodes is about others than these.
    env: isForeign
      ? env
      : Object.fromEntries(Object.entries(env).filter(([name]) => /^(DOCKER|CONTAINER)_HOST$/.test(name))),
    cwd,
  });
}

async function hint(trial: Trial, place: Place, node: RunningNode): Promise<void> {
  const { options, screen, stop, env, names } = trial;
  const { kubeconfig, context, client, kind } = place;
  const metrics = node.metricsAddress();
  const webView = kind === "foreign" || metrics === undefined ? undefined : `http://${metrics}/view/`;
  let isFound = false;
  if (kind !== "foreign" && kubeconfig !== undefined) {
    try {
      const { pid } = process;
      const { configFile: config } = node;
      stop.atExit(announceTrial({ pid, kubeconfig, server: client.server, config, startedAt: Date.now() }, env));
      // Theirs goes before a trial.
      isFound = !env["KUBECONFIG"];
    } catch (error) {
      screen.print(`Other terminals do not find this trial by themselves: ${errorText(error)}`);
    }
  }
  screen.print(
    hintText({
      kubeconfig,
      context,
      own: ownCommand({ env, module: import.meta.url, script: process.argv[1] }),
      isFound,
      hasKubectl: findProgram("kubectl", env) !== undefined,
      node: names[0] ?? "",
      logFile: node.logFile,
      configFile: node.configFile,
      metrics,
      webView,
    }),
  );
  if (!options.open || webView === undefined) return;
  const fault = await openBrowser(webView);
  if (fault !== undefined) screen.print(`No browser could be opened (${fault}): the address is above.`);
}

/** Ready, and free of the taint that the control plane takes off a new node a moment later. */
function isUsable({ status, spec }: Node): boolean {
  const ready = status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True");
  return ready === true && spec?.taints?.some(({ key }) => key === "node.kubernetes.io/not-ready") !== true;
}

async function nodesReady(watch: ClusterWatch, names: readonly string[], over: AbortSignal): Promise<void> {
  const limitMs = 60_000;
  const usable = (): number => watch.nodes.filter(isUsable).length;
  try {
    await watch.until(() => usable() === names.length, AbortSignal.any([over, AbortSignal.timeout(limitMs)]));
  } catch (error) {
    if (over.aborted) throw error;
    throw new VirtualKubeletError(
      "Unavailable",
      `${usable()} of ${names.length} nodes were Ready within ${milliseconds(limitMs)}`,
    );
  }
}

/** Shows what happens until the signal aborts or, where that is asked for, the sample is done. Rejects with why it is not. */
async function present({ options, sample, screen }: Trial, watch: ClusterWatch, over: AbortSignal): Promise<void> {
  const done = new AbortController();
  const until = AbortSignal.any([over, done.signal]);
  const showing = screen.show(watch, until);
  const started = performance.now();
  const running = tellRunning(screen, watch, until);
  const missing = (): readonly string[] => whatIsMissing(sample, watch);
  try {
    if (!options.exitAfterReady) await aborted(over);
    over.throwIfAborted();
    const late = AbortSignal.timeout(options.timeLimitMs);
    await watch.until(() => missing().length === 0, AbortSignal.any([over, late]));
  } catch (error) {
    if (over.aborted) throw error;
    throw new VirtualKubeletError(
      "Unavailable",
      `not ready within ${milliseconds(options.timeLimitMs)}: ${missing().join(", ")}`,
    );
  } finally {
    done.abort();
    await Promise.all([showing, running]);
  }
  if (!process.stdout.isTTY) {
    screen.print("");
    screen.printView(watch.snapshot());
  }
  screen.print(`\nReady ${milliseconds(performance.now() - started)} after the sample was made.`);
}

/** Says once when all pods of the Deployment run, counted from the start of this process. */
async function tellRunning(screen: Screen, watch: ClusterWatch, signal: AbortSignal): Promise<void> {
  const available = (): boolean =>
    watch.snapshot().workloads.some(({ kind, name, done }) => kind === "deployment" && name === "sample-web" && done);
  try {
    await watch.until(available, signal);
    screen.print(`The pods of sample-web run, ${milliseconds(performance.now())} after the start of this program.`);
  } catch {
    // It ended before.
  }
}

function whatIsMissing(sample: readonly SampleObject[], watch: ClusterWatch): readonly string[] {
  const { nodes, workloads } = watch.snapshot();
  const missing = nodes
    .filter(({ status }) => status !== "Ready")
    .map(({ name, status }) => `node/${name} is ${status}`);
  for (const object of sample) {
    const title = titleOf(object);
    const found = workloads.find(({ kind, name }) => `${kind}/${name}` === title);
    if (found?.done !== true) missing.push(`${title} ${found?.progress ?? "is not there"}`);
  }
  return missing;
}

const titleOf = ({ resource, name }: SampleObject): string => `${resource.kind.toLowerCase()}/${name}`;
