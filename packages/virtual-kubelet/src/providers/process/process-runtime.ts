// Containers as processes of this host. Calls in, files and processes out: each pod and each run has its directory, and all that
// is known can be read back from there.
import { readdirSync } from "node:fs";
import type { Duplex } from "node:stream";
import { pause } from "../../clock.ts";
import type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  PulledImage,
  RuntimeSandbox,
  RuntimeStats,
  SandboxSpec,
} from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { hostNow, nodeInfo, nodeReport } from "../../host/node-report.ts";
import { connectPort } from "../../host/port-connection.ts";
import { StorageMeter } from "../../host/storage-meter.ts";
import { readVolumeFile } from "../../host/volume-file.ts";
import type { NodeReport } from "../../provider/node.ts";
import type { ContainerIO, ContainerLogOptions, ContainerLogs, ExecResult } from "../../provider/streams.ts";
import type { CallContext } from "../../provider.ts";
import type { ImageCredential, ResolvedVolume } from "../../resolved-pod.ts";
import type { ContainerStats } from "../../stats-summary.ts";
import { attachToRun } from "./container-attach.ts";
import { createContainer, removeContainer, startContainer, updateResources } from "./container-calls.ts";
import { execInRun } from "./container-exec.ts";
import { readLog } from "./log-reader.ts";
import { measuredPaths, podFigures, rootfsStats } from "./pod-figures.ts";
import { runKey } from "./pod-record.ts";
import { type ProcessRuntimeOptions, RuntimeState } from "./runtime-state.ts";
import { createSandbox, removeSandbox, stopSandbox, updateSandbox, updateVolumes } from "./sandbox-calls.ts";
import { signalNumber } from "./signals.ts";
import { UsageMeter } from "./usage-meter.ts";

/** Between two looks at what the host has left. */
const nodeIntervalMs = 10_000;

export class ProcessRuntime implements ContainerRuntime {
  readonly type: string = "process";
  /** Without control groups nothing has limits. */
  declare readonly updateResources?: NonNullable<ContainerRuntime["updateResources"]>;
  readonly #state: RuntimeState;
  readonly #meter: UsageMeter = new UsageMeter();
  readonly #storage: StorageMeter;

  private constructor(state: RuntimeState) {
    this.#state = state;
    this.#storage = new StorageMeter({ clock: state.clock, log: state.options.log });
    if (state.cgroupHost === undefined) return;
    const resize: ProcessRuntime["updateResources"] = async (ref, resources, _, { signal }) => {
      signal.throwIfAborted();
      updateResources(state, ref, resources);
    };
    Object.assign(this, { updateResources: resize });
  }

  /** Reads back what is there, and looks after it from now on. Throws Conflict while another process does. */
  static async open(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
    return new ProcessRuntime(await RuntimeState.open(options));
  }

  /** Whether limits and figures come from control groups. */
  get hasCgroups(): boolean {
    return this.#state.cgroupHost !== undefined;
  }

  /** There is nowhere to pull from: what is not named in the configuration is not to be had. */
  async pullImage(image: string, _: readonly ImageCredential[], { signal }: CallContext): Promise<PulledImage> {
    signal.throwIfAborted();
    this.#state.images.get(image);
    return { reference: "" };
  }

  async imageStatus(image: string, { signal }: CallContext): Promise<string | undefined> {
    signal.throwIfAborted();
    return this.#state.images.find(image) === undefined ? undefined : "";
  }

  createSandbox(spec: SandboxSpec, { signal }: CallContext): Promise<RuntimeSandbox> {
    return this.#state.inTurn(spec.owner.uid, signal, () => createSandbox(this.#state, spec));
  }

  updateSandbox(
    podUid: string,
    change: Parameters<ContainerRuntime["updateSandbox"]>[1],
    { signal }: CallContext,
  ): Promise<void> {
    return this.#state.inTurn(podUid, signal, () => updateSandbox(this.#state, podUid, change));
  }

  stopSandbox(podUid: string, { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(podUid, signal, () => stopSandbox(this.#state, podUid, signal));
  }

  removeSandbox(podUid: string, { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(podUid, signal, () => removeSandbox(this.#state, podUid, signal));
  }

  updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(podUid, signal, () => updateVolumes(this.#state, podUid, volumes));
  }

  async readVolumeFile(podUid: string, volume: string, path: string, { signal }: CallContext): Promise<Uint8Array> {
    signal.throwIfAborted();
    const { volumes, description } = this.#state.pod(podUid);
    return readVolumeFile({ volumes, notes: description.volumes }, volume, path);
  }

  createContainer(spec: ContainerSpec, { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(spec.podUid, signal, () => createContainer(this.#state, spec));
  }

  startContainer(ref: ContainerRef, { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(ref.podUid, signal, () => startContainer(this.#state, ref, signal));
  }

  async stopContainer(
    ref: ContainerRef,
    options: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
    { signal }: CallContext,
  ): Promise<void> {
    signal.throwIfAborted();
    const run = this.#state.pods.get(ref.podUid)?.runs.get(runKey(ref.name, ref.attempt));
    await run?.stop(options.gracePeriodSeconds * 1000, signalNumber(options.signal), signal);
  }

  removeContainer(ref: ContainerRef, { signal }: CallContext): Promise<void> {
    return this.#state.inTurn(ref.podUid, signal, () => removeContainer(this.#state, ref, signal));
  }

  async list({ signal }: CallContext): Promise<readonly RuntimeSandbox[]> {
    signal.throwIfAborted();
    return [...this.#state.pods.values()].map((pod) => this.#state.shown(pod));
  }

  async get(podUid: string, { signal }: CallContext): Promise<RuntimeSandbox | undefined> {
    signal.throwIfAborted();
    const pod = this.#state.pods.get(podUid);
    return pod && this.#state.shown(pod);
  }

  events({ signal }: CallContext): AsyncIterable<string> {
    return this.#state.events.read(signal);
  }

  exec(ref: ContainerRef, command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult> {
    return execInRun(this.#state.run(ref), command, io, context);
  }

  attach(ref: ContainerRef, io: ContainerIO, context: CallContext): Promise<void> {
    return attachToRun(this.#state.run(ref), io, context);
  }

  async portForward(podUid: string, port: number, connection: Duplex, { signal }: CallContext): Promise<void> {
    const { address = "localhost" } = this.#state.pod(podUid).description;
    await connectPort(address, port, connection, signal);
  }

  async logs(ref: ContainerRef, options: ContainerLogOptions, { signal }: CallContext): Promise<ContainerLogs> {
    signal.throwIfAborted();
    const run = this.#state.run(ref);
    if (run.record.state().type === "created")
      throw new VirtualKubeletError("NotFound", `container ${ref.name} has not run`);
    await run.log.pump(run.record.isOver);
    return { format: "cri", data: readLog(run.log, { follow: options.follow === true, signal }), applied: ["follow"] };
  }

  async terminationMessage(ref: ContainerRef, { signal }: CallContext): Promise<string> {
    signal.throwIfAborted();
    return this.#state.run(ref).terminationMessage();
  }

  async stats({ signal }: CallContext): Promise<RuntimeStats> {
    signal.throwIfAborted();
    const { clock, directory, options, pods } = this.#state;
    void this.#storage.refresh([...pods.values()].map(measuredPaths));
    const now = clock.now();
    const containers = new Map<string, readonly ContainerStats[]>();
    const others = new Map<string, ReturnType<typeof podFigures>>();
    const ids = new Set<string>();
    for (const pod of pods.values()) {
      const figures = [...pod.runs.values()].flatMap((run) => {
        const figure = this.#meter.container(run, now, rootfsStats(run, this.#storage));
        if (figure !== undefined) ids.add(run.container().id);
        return figure === undefined ? [] : [figure];
      });
      containers.set(pod.uid, figures);
      others.set(pod.uid, podFigures(pod, figures, this.#storage, now));
    }
    this.#meter.keep(ids);
    return { node: this.#meter.node(options.node, directory, now), containers, pods: others };
  }

  async *watchNode({ signal }: CallContext): AsyncGenerator<NodeReport> {
    const { boot, clock, config, directory } = this.#state;
    const info = nodeInfo(`process://${process.version}`, boot);
    for (let shown = ""; !signal.aborted; await pause(clock, nodeIntervalMs, signal)) {
      const report = { ...nodeReport(hostNow(directory), config), nodeInfo: info };
      const text = JSON.stringify(report);
      if (text !== shown) yield report;
      shown = text;
    }
  }

  async ping({ signal }: CallContext): Promise<void> {
    signal.throwIfAborted();
    readdirSync(this.#state.directory);
  }

  /** Lets go of everything; containers go on, and the next one over the same directory takes them up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage.close();
    await this.#state.close();
  }
}
