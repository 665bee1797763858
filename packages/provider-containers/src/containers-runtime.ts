// Containers of an engine, as the pod engine uses them. Calls in, containers of Docker or Podman out; all that is known can be
// read back from there and from the state directory.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import {
  type CallContext,
  type Clock,
  type ContainerIO,
  type ContainerLogOptions,
  type ContainerLogs,
  type ContainerRef,
  type ContainerRuntime,
  type ContainerSpec,
  type ExecResult,
  type ImageCredential,
  type Logger,
  type NodeReport,
  type PulledImage,
  type ResolvedVolume,
  type RuntimeSandbox,
  type RuntimeStats,
  type SandboxSpec,
  systemClock,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { lockState, UidEvents } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import { createContainer, removeContainer, startContainer, stopContainer, updateResources } from "./container-calls.ts";
import { connectEngine } from "./engine/connect.ts";
import { defaultEndpoint, parseEndpoint } from "./engine/endpoint.ts";
import type { EngineInfo } from "./engine/engine-client.ts";
import { Figures } from "./figures/figures.ts";
import { ImageAccountFiles } from "./image-accounts.ts";
import { defaultRegistries } from "./image-names.ts";
import { Images } from "./images.ts";
import { checkPulled } from "./infra-image.ts";
import { Inventory } from "./inventory.ts";
import { labels } from "./labels.ts";
import { measuredPods } from "./measured-pods.ts";
import { withImages } from "./node-images.ts";
import { NodeState } from "./node-state.ts";
import { PodFiles } from "./pod-files.ts";
import { createSandbox, removeSandbox, stopSandbox, updateSandbox, updateVolumes } from "./sandbox-calls.ts";
import { attachToContainer } from "./streams/attach.ts";
import { execInContainer } from "./streams/exec.ts";
import { execByRuntime, isRunHere } from "./streams/exec-by-runtime.ts";
import { readContainerLog } from "./streams/logs.ts";
import { forwardToContainer } from "./streams/port-forward.ts";

export interface ContainersRuntimeOptions {
  readonly config: ContainersConfig;
  /** Name of the node: its part of the state directory, and on all its containers. */
  readonly node: string;
  readonly log: Logger;
  /** Addresses of the engine's host, primary first: for pods in its network. */
  readonly hostIPs: readonly string[];
  readonly clock?: Clock | undefined;
}

export class ContainersRuntime implements ContainerRuntime {
  readonly type: string;
  readonly defaultRegistries: readonly string[];
  /** Where limits of running containers cannot be changed it is not there. */
  declare readonly updateResources?: NonNullable<ContainerRuntime["updateResources"]>;
  readonly #state: NodeState;
  readonly #close: () => Promise<void>;

  private constructor(state: NodeState, close: () => Promise<void>) {
    const { config, engine, figures } = state.parts;
    this.type = engine.flavour;
    this.defaultRegistries = defaultRegistries(config.images.defaultRegistries, engine.defaultRegistry);
    this.#state = state;
    this.#close = close;
    if (!figures.canResize) return;
    const resize: ContainersRuntime["updateResources"] = (ref, resources, pod, context) =>
      state.turns.inTurn(ref.podUid, context.signal, () => updateResources(state, ref, resources, pod, context));
    Object.assign(this, { updateResources: resize });
  }

  /** Finds what is there, and follows it from now on. Throws Conflict while another process does, Unavailable without an engine. */
  static async open(options: ContainersRuntimeOptions, context: CallContext): Promise<ContainersRuntime> {
    const { config, node, log, hostIPs, clock = systemClock } = options;
    const address = parseEndpoint(config.endpoint === "" ? defaultEndpoint() : config.endpoint, config);
    const stateDirectory = join(config.stateDirectory, node);
    mkdirSync(config.stateDirectory, { recursive: true, mode: 0o711 });
    mkdirSync(stateDirectory, { recursive: true, mode: 0o711 });
    const cleanUp: (() => void | Promise<void>)[] = [lockState(stateDirectory)];
    const close = async (): Promise<void> => {
      for (let step = cleanUp.pop(); step !== undefined; step = cleanUp.pop()) await step();
    };
    try {
      const client = connectEngine(address, { log, parallelCalls: config.parallelCalls });
      cleanUp.push(() => client[Symbol.dispose]());
      const engine = await client.info(context);
      const { hostPaths } = config;
      const files = await PodFiles.open({ directory: stateDirectory, hostPaths, log, now: () => clock.now() });
      const images = await Images.open({ client, stateDirectory, config: config.images, clock, log }, context);
      const accounts = new ImageAccountFiles(client, node);
      await accounts.sweep(context);
      const figures = await Figures.open({ node, client, config, stateDirectory, clock, log }, context);
      cleanUp.push(() => figures.close());
      const changed = new UidEvents();
      cleanUp.push(() => changed.close());
      const seen = (details: Parameters<typeof figures.endReason>[0]): void => void figures.endReason(details);
      const inventory = new Inventory({ client, node, clock, log, changed, seen });
      const end = new AbortController();
      const ready = Promise.withResolvers<void>();
      const following = inventory.run(end.signal, ready.resolve);
      const collecting = images.run(end.signal);
      cleanUp.push(async () => {
        end.abort();
        await Promise.all([following, collecting]);
      });
      await Promise.race([ready.promise, aborted(context.signal)]);
      const state = new NodeState({
        ...{ config, node, hostIPs, client, engine, files, images, accounts, figures, inventory, changed, clock, log },
      });
      // What a program that was killed has left of pods that were removed.
      figures.sweepPodGroups(new Set((await state.list(context)).map(({ owner }) => owner.uid)));
      return new ContainersRuntime(state, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** As it was when this one was opened. */
  get engine(): EngineInfo {
    return this.#state.parts.engine;
  }

  async pullImage(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<PulledImage> {
    checkPulled(image);
    return this.#state.parts.images.pull(image, credentials, context);
  }

  mayUseImage(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<boolean> {
    return this.#state.parts.images.mayUse(image, credentials, context);
  }

  imageStatus(image: string, context: CallContext): Promise<string | undefined> {
    return this.#state.parts.images.status(image, context);
  }

  createSandbox(spec: SandboxSpec, context: CallContext): Promise<RuntimeSandbox> {
    return this.#inTurn(spec.owner.uid, context, () => createSandbox(this.#state, spec, context));
  }

  updateSandbox(
    podUid: string,
    change: Parameters<ContainerRuntime["updateSandbox"]>[1],
    context: CallContext,
  ): Promise<void> {
    return this.#inTurn(podUid, context, () => updateSandbox(this.#state, podUid, change, context));
  }

  stopSandbox(podUid: string, context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, () => stopSandbox(this.#state, podUid, context));
  }

  removeSandbox(podUid: string, context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, () => removeSandbox(this.#state, podUid, context));
  }

  updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, () => updateVolumes(this.#state, podUid, volumes, context));
  }

  async readVolumeFile(podUid: string, volume: string, path: string, { signal }: CallContext): Promise<Uint8Array> {
    signal.throwIfAborted();
    return this.#state.parts.files.readVolumeFile(podUid, volume, path);
  }

  createContainer(spec: ContainerSpec, context: CallContext): Promise<void> {
    return this.#inTurn(spec.podUid, context, () => createContainer(this.#state, spec, context));
  }

  startContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    return this.#inTurn(ref.podUid, context, () => startContainer(this.#state, ref, context));
  }

  /** Not in turn: it takes as long as the grace, and may be called again with less. */
  async stopContainer(
    ref: ContainerRef,
    options: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
    context: CallContext,
  ): Promise<void> {
    context.signal.throwIfAborted();
    await stopContainer(this.#state, ref, options, context);
  }

  removeContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    return this.#inTurn(ref.podUid, context, () => removeContainer(this.#state, ref, context));
  }

  list(context: CallContext): Promise<readonly RuntimeSandbox[]> {
    return this.#state.list(context);
  }

  get(podUid: string, context: CallContext): Promise<RuntimeSandbox | undefined> {
    return this.#state.get(podUid, context);
  }

  events({ signal }: CallContext): AsyncIterable<string> {
    return this.#state.parts.changed.read(signal);
  }

  async exec(
    ref: ContainerRef,
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult> {
    const { details } = await this.#state.run(ref, context);
    return !io.tty && isRunHere(details.id)
      ? execByRuntime(details.id, command, io, context)
      : execInContainer(this.#state.parts.client, details.id, command, io, context);
  }

  async attach(ref: ContainerRef, io: ContainerIO, context: CallContext): Promise<void> {
    const { details } = await this.#state.run(ref, context);
    const stdinOnce = details.labels[labels.stdinOnce] === "true";
    await attachToContainer(this.#state.parts.client, { ...details, stdinOnce }, io, context);
  }

  async logs(ref: ContainerRef, options: ContainerLogOptions, context: CallContext): Promise<ContainerLogs> {
    const { details } = await this.#state.run(ref, context);
    if (details.startedAt === undefined) throw new VirtualKubeletError("NotFound", `container ${ref.name} has not run`);
    return readContainerLog(this.#state.parts.client, details, options, context);
  }

  async terminationMessage(ref: ContainerRef, { signal }: CallContext): Promise<string> {
    signal.throwIfAborted();
    return this.#state.parts.files.terminationMessage(ref);
  }

  async portForward(podUid: string, port: number, connection: Duplex, context: CallContext): Promise<void> {
    const { infra } = await this.#state.pod(podUid, context);
    if (infra?.details.running !== true)
      throw new VirtualKubeletError("NotFound", `the network of pod ${podUid} is not there`);
    await forwardToContainer(infra.details, port, connection, context);
  }

  async stats(context: CallContext): Promise<RuntimeStats> {
    const { figures } = this.#state.parts;
    return figures.stats(await measuredPods(this.#state, context), context);
  }

  freeDisk(context: CallContext): Promise<number> {
    return this.#state.parts.images.removeUnused(context);
  }

  async ping({ signal }: CallContext): Promise<void> {
    await this.#state.parts.client.ping({ signal });
  }

  async *watchNode(context: CallContext): AsyncGenerator<NodeReport> {
    const { clock, config, engine, figures, images } = this.#state.parts;
    const containerRuntimeVersion = `${engine.flavour}://${engine.version}`;
    const features = { recursiveReadOnlyMounts: true, userNamespaces: false };
    const runtimeHandlers = ["", ...Object.keys(config.runtimeHandlers)].map((name) => ({ name, features }));
    const reports = withImages((inner) => figures.watchNode(inner), images, clock, context);
    for await (const report of reports)
      yield { ...report, runtimeHandlers, nodeInfo: { containerRuntimeVersion, ...report.nodeInfo } };
  }

  /** Lets go of everything; containers go on, and the next one over the same engine and directory takes them up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  #inTurn<T>(podUid: string, { signal }: CallContext, work: () => Promise<T>): Promise<T> {
    return this.#state.turns.inTurn(podUid, signal, work);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}
