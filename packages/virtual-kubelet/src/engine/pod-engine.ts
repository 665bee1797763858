// A Provider over a runtime of bare containers: all that a kubelet does around one, for every pod of one node. The engine
// hands each call to the pod it is about and keeps looking at those of which something changed.
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport, ProbeMetrics } from "../provider/node.ts";
import type { PodFailure, PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type {
  ContainerIO,
  ContainerLogOptions,
  ContainerLogs,
  ContainerTarget,
  ExecResult,
  PodTarget,
} from "../provider/streams.ts";
import type { CallContext, Provider, ProviderMethod } from "../provider.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import type { StatsSummary } from "../stats-summary.ts";
import { type BackoffLimits, defaultBackoff } from "./backoff.ts";
import type { ContainerRef, ContainerRuntime, RuntimeContainer } from "./container-runtime.ts";
import { hookRunner } from "./hook-run.ts";
import { NodeGuard } from "./node-guard.ts";
import { statsSummary } from "./pod-stats.ts";
import { PodTable } from "./pod-table.ts";
import { ContainerProbes } from "./probe-manager.ts";
import type { ProbeListener, ProbeManager, RunHook } from "./probe-results.ts";
import { chosenRun, runByID } from "./run-choice.ts";
import { UpdateFeed } from "./update-feed.ts";

export interface PodEngineOptions {
  readonly runtime: ContainerRuntime;
  /** Name of the node. */
  readonly node: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** 0 to below 1. */
  readonly random?: (() => number) | undefined;
  /** What of pods the runtime can honour; default all. `resolve` is always set; the engine's own features are added. */
  readonly capabilities?: Capabilities | undefined;
  /** Addresses of the node, primary first: for `status.hostIP` in the environment, and pods in its network. */
  readonly hostIPs?: (() => readonly string[]) | undefined;
  /** For the User-Agent of probes and hooks; default "1.36". */
  readonly kubernetesVersion?: string | undefined;
  /** Makes what probes containers; default ContainerProbes. */
  readonly probes?: ((listener: ProbeListener) => ProbeManager) | undefined;
  /** Runs lifecycle hooks; default hookRunner. */
  readonly runHook?: RunHook | undefined;
  /** Throws Invalid or Unsupported for a pod that cannot run here at all; `reason` becomes that of the pod. Default: all can. */
  readonly admit?: ((request: PodRequest) => void) | undefined;
  /** Of restarts and image pulls; default 10 s to 5 min. */
  readonly backoff?: BackoffLimits | undefined;
  /** Longest time of a call of the runtime that is no pull, hook or stop; default 2 min. */
  readonly callTimeoutMs?: number | undefined;
  /** Pods looked at side by side; default 16. */
  readonly workers?: number | undefined;
}

/** Optional methods of a provider that is a PodEngine, with a runtime that has all that runtimes may have. */
export const engineMethods: readonly ProviderMethod[] = [
  ...(["updatePod", "updateVolumes", "stopPod", "watchPods", "watchNode", "ping", "getContainerLogs"] as const),
  ...(["runInContainer", "attachToContainer", "portForward", "getStatsSummary", "getProbeMetrics"] as const),
];

/** Of a PodEngine that is given these; `envFiles`: its runtime reads files of volumes. */
export function engineCapabilities(given: Capabilities, envFiles: boolean): Capabilities {
  const declaredFeatures = [...(given.declaredFeatures ?? []), ...ownFeatures];
  return { ...given, declaredFeatures, resolve: true, resolvePartly: true, envFiles };
}

/** Done by the engine, whatever the runtime. */
const ownFeatures: readonly string[] = ["RestartAllContainersOnContainerExits"];

export class PodEngine implements Provider {
  readonly capabilities: Capabilities;
  declare readonly attachToContainer?: NonNullable<Provider["attachToContainer"]>;
  declare readonly portForward?: NonNullable<Provider["portForward"]>;
  declare readonly getStatsSummary?: NonNullable<Provider["getStatsSummary"]>;
  declare readonly ping?: NonNullable<Provider["ping"]>;
  declare readonly watchNode?: NonNullable<Provider["watchNode"]>;
  readonly #runtime: ContainerRuntime;
  readonly #pods: PodTable;
  readonly #feed: UpdateFeed = new UpdateFeed();
  readonly #probes: ProbeManager;
  readonly #guard: NodeGuard;
  readonly #admit: (request: PodRequest) => void;
  readonly #end: AbortController = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: PodEngineOptions) {
    const { runtime, log, kubernetesVersion = "1.36" } = options;
    const { clock = systemClock, random = Math.random } = options;
    this.#runtime = runtime;
    this.#admit = options.admit ?? (() => {});
    this.capabilities = engineCapabilities(options.capabilities ?? {}, runtime.readVolumeFile !== undefined);
    const makeProbes =
      options.probes ??
      ((listener: ProbeListener): ProbeManager =>
        new ContainerProbes({ listener, log, kubernetesVersion, clock, random }));
    this.#probes = makeProbes({
      changed: (uid) => this.#pods.wake(uid),
      event: ({ owner, ref }, type, reason, message) =>
        this.#feed.event({ type: "event", owner, eventType: type, reason, message, container: ref.name }),
    });
    this.#pods = new PodTable({
      ...{ runtime, log, clock, random, probes: this.#probes },
      runHook: options.runHook ?? hookRunner({ kubernetesVersion, clock }),
      workers: options.workers ?? 16,
      limits: options.backoff ?? defaultBackoff,
      callTimeoutMs: options.callTimeoutMs ?? 120_000,
      hostIPs: options.hostIPs ?? (() => []),
      reported: (report) => this.#feed.report({ type: "report", report }),
      gone: (owner) => this.#feed.gone(owner),
      allocatable: () => this.#guard.allocatable,
      told: (owner, { type, reason, message, container }) =>
        this.#feed.event({ type: "event", owner, eventType: type, reason, message, container }),
    });
    this.#guard = new NodeGuard({ runtime, log, pods: this.#pods, clock });
    Object.assign(this, this.#optional(options.node));
  }

  async createPod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    this.#admit(request);
    this.#pods.add(request.owner).request(request);
  }

  async updatePod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    (await this.#pods.find(request.owner, context)).request(request);
  }

  async updateVolumes(owner: PodOwner, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    this.#begin(context);
    await (await this.#pods.find(owner, context)).updateVolumes(volumes, context);
  }

  async deletePod(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number },
    context: CallContext,
  ): Promise<void> {
    this.#begin(context);
    (await this.#pods.find(owner, context)).end("deleted", options.gracePeriodSeconds);
  }

  async stopPod(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number; readonly failure?: PodFailure | undefined },
    context: CallContext,
  ): Promise<void> {
    this.#begin(context);
    (await this.#pods.find(owner, context)).end("failed", options.gracePeriodSeconds, options.failure);
  }

  async getPodStatus(owner: PodOwner, context: CallContext): Promise<PodReport> {
    this.#begin(context);
    return (await this.#pods.find(owner, context)).report();
  }

  async getPods(context: CallContext): Promise<readonly PodReport[]> {
    this.#begin(context);
    return (await this.#pods.list(context)).map((pod) => pod.report());
  }

  watchPods(context: CallContext): AsyncIterable<PodUpdate> {
    this.#begin(context);
    return this.#feed.read(AbortSignal.any([context.signal, this.#end.signal]));
  }

  async getContainerLogs(
    { owner, container }: ContainerTarget,
    options: ContainerLogOptions,
    context: CallContext,
  ): Promise<ContainerLogs> {
    const { containerID } = options;
    const which = options.previous === true ? "previous" : "last";
    const run =
      containerID === undefined
        ? await this.#run(owner, container, which, context)
        : runByID(await this.#runs(owner, context), container, containerID);
    return this.#runtime.logs(run, options, context);
  }

  async runInContainer(
    { owner, container }: ContainerTarget,
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult> {
    return this.#runtime.exec(await this.#run(owner, container, "running", context), command, io, context);
  }

  getProbeMetrics(): ProbeMetrics {
    return this.#probes.metrics();
  }

  /** Lets go of the pods, which run on; the next engine over the same runtime takes them up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running;
    this.#probes.stop();
    await this.#runtime[Symbol.asyncDispose]?.();
  }

  /** What there is only where the runtime has it. */
  #optional(node: string): Partial<Provider> {
    const runtime = this.#runtime;
    return {
      ...(runtime.attach && {
        attachToContainer: async ({ owner, container }: ContainerTarget, io: ContainerIO, context: CallContext) =>
          runtime.attach?.(await this.#run(owner, container, "running", context), io, context),
      }),
      ...(runtime.portForward && {
        portForward: async ({ owner }: PodTarget, port: number, connection: Duplex, context: CallContext) =>
          runtime.portForward?.(owner.uid, port, connection, context),
      }),
      ...(runtime.stats && {
        getStatsSummary: (context: CallContext): Promise<StatsSummary> => statsSummary(runtime, node, context),
      }),
      ...(runtime.ping && { ping: async (context: CallContext) => runtime.ping?.(context) }),
      ...(runtime.watchNode && {
        watchNode: (context: CallContext): AsyncIterable<NodeReport> => runtime.watchNode?.(context) ?? nothing(),
      }),
    };
  }

  async #run(
    owner: PodOwner,
    container: string,
    which: "running" | "last" | "previous",
    context: CallContext,
  ): Promise<ContainerRef> {
    return chosenRun(await this.#runs(owner, context), container, which);
  }

  async #runs(owner: PodOwner, context: CallContext): Promise<readonly RuntimeContainer[]> {
    this.#begin(context);
    return (await this.#runtime.get(owner.uid, context))?.containers ?? [];
  }

  /** From the first call on, what is on the backend is looked after. */
  #begin({ signal }: CallContext): void {
    if (signal.aborted || this.#end.signal.aborted)
      throw new VirtualKubeletError("Aborted", "the call was ended before it began");
    const { signal: end } = this.#end;
    this.#running ??= Promise.all([this.#pods.run(end), this.#guard.run(end)]).then(() => undefined);
  }
}

async function* nothing(): AsyncGenerator<never> {}
