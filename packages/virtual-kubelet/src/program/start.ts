// The daemon: starts what the configuration asks for, in order, runs it until the signal, and leaves nothing behind.
import { pause, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { identify } from "../identity.ts";
import type { KubeClient } from "../kube/client.ts";
import { bootstrapClient, ClientCertificateRotation } from "../kube/client-certificate.ts";
import { connect } from "../kube/connect.ts";
import type { NodeAddress } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import { VirtualKubelet } from "../virtual-kubelet.ts";
import { parseAddress } from "./address.ts";
import { assemblySettings, makeNodes } from "./assemble.ts";
import type { Config } from "./config.ts";
import { loadProviders } from "./configured-providers.ts";
import { refuseForeignNodes } from "./foreign-nodes.ts";
import { kubeletApiOptions } from "./kubelet-api.ts";
import type { LoadedConfig, ProgramInput } from "./load-config.ts";
import { afterPods } from "./machine-shutdown.ts";
import { type Health, MetricsServer, type ServedView } from "./metrics-server.ts";
import { withNodeIPs } from "./node-ip.ts";
import { planTracing } from "./trace-target.ts";
import { kubeletVersion, version } from "./version.ts";

/** Runs until it is told to end, and all is stopped then; rejects on a fault. */
export async function start(
  { config: given, notices, metricsAddrGiven }: LoadedConfig,
  input: Pick<ProgramInput, "env" | "cwd">,
  log: Logger,
  told: AbortSignal,
): Promise<void> {
  const config = withNodeIPs(given);
  let shutDown: VirtualKubelet["shutdown"] | undefined;
  const signal = afterPods(told, { shutdown: config.shutdown, log, shutDown: () => shutDown });
  const nodes = config.nodes.map(({ name }) => name);
  const names = nodes.length > 5 ? `${nodes.slice(0, 3).join(", ")} and ${nodes.length - 3} more` : nodes.join(", ");
  log.info({ version, kubeletVersion, nodes: names, runtime: process.version }, "starting");
  const plan = planTracing(config.tracing, input.env);
  for (const notice of [...notices, ...plan.notices]) log.warn({}, notice);

  // A wrong provider is told before anything else is begun.
  const modules = await loadProviders(config, input.cwd);
  const metrics = createMetrics();
  metrics.buildInfo.set({ version, kubelet_version: kubeletVersion, runtime: process.version }, 1);
  await using stack = new AsyncDisposableStack();
  if (plan.target !== undefined) {
    const { startTracing } = await import("./tracing.ts");
    stack.use(await startTracing({ tracing: config.tracing, target: plan.target, version, log }));
  }

  const view = config.webView.enabled
    ? new (await import("./web-view.ts")).ProgramWebView({ config, metrics, log, version })
    : undefined;
  let health = (): Health => ({ ready: false, checks: [{ name: "started", ok: false, message: "starting" }] });
  const serving = new AbortController();
  const served = await serveMetrics(
    config.metricsAddr,
    metricsAddrGiven,
    { metrics, log, health: () => health(), view },
    serving.signal,
  );
  stack.defer(async () => {
    serving.abort();
    await served();
  });

  await bootstrap(config, input.env, log, signal);
  const kubeconfig = config.kubeconfig === input.env["KUBECONFIG"] ? undefined : config.kubeconfig;
  const client = await connect({ kubeconfig, context: config.kubeContext, env: { ...input.env }, log, metrics });
  stack.defer(() => client.close());
  const deadline = startupDeadline(config.startupTimeout, signal);
  stack.use(deadline);
  const stop = deadline.signal;
  try {
    const identity = await identify(client, { cluster: config.clusterId, clock: systemClock, log }, stop);
    log.info({ server: client.server, cluster: identity.cluster, user: identity.user }, "connected");
    // Before pods are looked at: those of a node that is not ours would be taken for lost.
    await refuseForeignNodes({ client, names: nodes, clock: systemClock, log }, stop);
    const virtualNodes = await makeNodes(
      {
        config,
        modules,
        cluster: identity.cluster,
        log,
        metrics,
        clock: systemClock,
        observer: view?.observer,
        onMade: (provider) =>
          stack.defer(async () => {
            try {
              await provider[Symbol.asyncDispose]?.();
            } catch (error) {
              log.warn({ err: error }, "a provider did not end well");
            }
          }),
      },
      stop,
    );
    const addresses = (name: string): readonly NodeAddress[] => kubelet.addresses(name);
    const kubeletApi = await kubeletApiOptions({ config, client, addresses, log, metrics });
    const kubelet = new VirtualKubelet({
      ...assemblySettings(config),
      client,
      identity,
      nodes: virtualNodes,
      kubeletApi,
      observer: view?.observer,
      metrics,
      log,
    });
    view?.show({ kubelet, client, kubeletApi });
    health = () => kubelet.health();
    shutDown = (rules) => kubelet.shutdown(rules);
    const rotating = rotation(config, client, log, metrics).run(stop);
    stack.defer(() => rotating);
    const running = kubelet.run(stop);
    await Promise.race([running, kubelet.ready]);
    deadline.reached();
    await running;
  } catch (error) {
    if (deadline.fault !== undefined) throw deadline.fault;
    // Ended by the signal before it was up: whatever a call under way says about that is no fault.
    if (!signal.aborted || VirtualKubeletError.from(error).kind !== "Aborted") throw error;
  }
  if (deadline.fault !== undefined) throw deadline.fault;
}

/** The node's own credentials, where they have to be asked for. */
async function bootstrap(
  { kubelet, kubeconfig, nodes }: Config,
  env: ProgramInput["env"],
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { bootstrapKubeconfig, certDir } = kubelet;
  const [node] = nodes;
  // The configuration was checked: with the first come the others.
  if (bootstrapKubeconfig === undefined || certDir === undefined || kubeconfig === undefined || node === undefined)
    return;
  await bootstrapClient({ bootstrapKubeconfig, kubeconfig, certDir, node: node.name, env: { ...env }, log }, signal);
}

function rotation(
  { kubelet, kubeconfig, nodes }: Config,
  client: KubeClient,
  log: Logger,
  metrics: Metrics,
): { run(signal: AbortSignal): Promise<void> } {
  const { bootstrapKubeconfig, certDir, rotateCertificates } = kubelet;
  const [node] = nodes;
  const known = certDir !== undefined && kubeconfig !== undefined && node !== undefined;
  if (!rotateCertificates || bootstrapKubeconfig === undefined || !known) return { run: () => Promise.resolve() };
  return new ClientCertificateRotation({
    client,
    bootstrapKubeconfig,
    kubeconfig,
    certDir,
    node: node.name,
    log,
    metrics,
  });
}

/** Begins to serve; answers with the end of it. A default address that is taken is no reason not to run. */
async function serveMetrics(
  text: string,
  asked: boolean,
  options: {
    readonly metrics: Metrics;
    readonly log: Logger;
    readonly health: () => Health;
    readonly view: ServedView | undefined;
  },
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const address = parseAddress(text);
  if (address === undefined) return () => Promise.resolve();
  const { metrics, log, health, view } = options;
  const server = new MetricsServer({ address, registry: metrics.registry, health, log, view });
  let listens = false;
  const ended = server.run(signal).catch((error: unknown) => {
    if (listens) log.error({ err: error }, "the metrics endpoint ended");
  });
  try {
    await server.listening;
    listens = true;
  } catch (error) {
    if (asked) throw new VirtualKubeletError("Invalid", `cannot listen on ${text} (--metrics-addr)`, { cause: error });
    log.warn(
      { address: text, err: errorText(error) },
      "metrics are not served: set --metrics-addr to a free address, or 0",
    );
  }
  return () => ended;
}

interface StartupDeadline extends Disposable {
  /** Aborts with the program's signal, or when the time is up. */
  readonly signal: AbortSignal;
  readonly fault: VirtualKubeletError | undefined;
  reached(): void;
}

function startupDeadline(limitMs: number, signal: AbortSignal): StartupDeadline {
  const late = new AbortController();
  const done = new AbortController();
  let fault: VirtualKubeletError | undefined;
  if (limitMs > 0) {
    void pause(systemClock, limitMs, AbortSignal.any([signal, done.signal])).then(() => {
      if (signal.aborted || done.signal.aborted) return;
      fault = new VirtualKubeletError(
        "Unavailable",
        `the nodes were not ready within the start-up time-out of ${limitMs / 1000} s`,
      );
      late.abort(fault);
    });
  }
  return {
    signal: AbortSignal.any([signal, late.signal]),
    get fault() {
      return fault;
    },
    reached: () => done.abort(),
    [Symbol.dispose]: () => done.abort(),
  };
}
