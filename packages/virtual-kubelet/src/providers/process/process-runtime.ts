// Containers as processes of this host. Calls in, files and processes out: each pod and each run has its directory, and all that
// is known can be read back from there.
import { mkdirSync, readdirSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../clock.ts";
import type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  RuntimeSandbox,
  SandboxSpec,
} from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { ResourceRequirements } from "../../kube/types.gen.ts";
import type { Logger } from "../../log.ts";
import type { CallContext, ContainerLogOptions, ContainerLogs, ExecResult } from "../../provider.ts";
import type { ResolvedVolume } from "../../resolved-pod.ts";
import { type CgroupHost, findCgroups, limitCgroups, makeCgroups, removeCgroups } from "./cgroups.ts";
import type { ProcessConfig } from "./config.ts";
import { planContainer } from "./container-plan.ts";
import type { UserRules } from "./container-user.ts";
import { ImageMap } from "./image-map.ts";
import { LiveRun } from "./live-run.ts";
import { readLog } from "./log-reader.ts";
import { makeDevices } from "./pod-devices.ts";
import { type PodDescription, PodRecord, readPod, readRuns, runKey } from "./pod-record.ts";
import { makeVolumes, removeTree, updateFiles, type VolumeRules } from "./pod-volumes.ts";
import { bootId } from "./process-table.ts";
import { type RunDescription, RunRecord, writeDescription } from "./run-record.ts";
import { enterScript, initScript, supervisorScript } from "./run-scripts.ts";
import { checkSandbox } from "./sandbox-check.ts";
import { signalNumber } from "./signals.ts";
import { writeWhole } from "./state-files.ts";
import { lockState } from "./state-lock.ts";
import { UidEvents } from "./uid-events.ts";

export interface ProcessRuntimeOptions {
  readonly config: ProcessConfig;
  /** Name of the node: its part of the state directory. */
  readonly node: string;
  readonly log: Logger;
  /** Addresses of this host, primary first: pods have them too. */
  readonly hostIPs: readonly string[];
  readonly clock?: Clock | undefined;
}

export class ProcessRuntime implements ContainerRuntime {
  readonly type: string = "process";
  readonly #options: ProcessRuntimeOptions;
  readonly #clock: Clock;
  readonly #boot: string;
  readonly #directory: string;
  readonly #images: ImageMap;
  readonly #cgroupHost: CgroupHost | undefined;
  readonly #rules: UserRules;
  readonly #volumeRules: VolumeRules;
  readonly #pods = new Map<string, PodRecord>();
  /** Calls about one pod come one after another, where they change its files. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #events: UidEvents = new UidEvents();
  readonly #unlock: () => void;
  readonly #timer: NodeJS.Timeout;

  private constructor(options: ProcessRuntimeOptions) {
    const { config } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#boot = bootId();
    this.#directory = join(config.stateDirectory, options.node);
    mkdirSync(join(this.#directory, "pods"), { recursive: true, mode: 0o700 });
    this.#unlock = lockState(this.#directory);
    this.#images = new ImageMap(
      Object.fromEntries(Object.entries(config.images).map(([name, entry]) => [name, entry === "host" ? {} : entry])),
    );
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const root = uid === 0;
    this.#cgroupHost = config.cgroups === "off" || !root ? undefined : findCgroups();
    const { allowRoot, allowPrivileged } = config;
    this.#rules = { root, own: { uid, gid }, fallback: config.user, allowRoot, allowPrivileged };
    this.#volumeRules = { root, hostPaths: config.hostPaths, now: () => this.#clock.now() };
    this.#timer = setInterval(() => this.#checkAll(), 1000);
    this.#timer.unref();
  }

  /** Reads back what is there, and looks after it from now on. Throws Conflict while another process does. */
  static async open(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
    const runtime = new ProcessRuntime(options);
    try {
      await runtime.#adopt();
    } catch (error) {
      await runtime[Symbol.asyncDispose]();
      throw error;
    }
    return runtime;
  }

  /** Whether limits and figures come from control groups. */
  get hasCgroups(): boolean {
    return this.#cgroupHost !== undefined;
  }

  async imageStatus(image: string, { signal }: CallContext): Promise<string | undefined> {
    signal.throwIfAborted();
    // Throws for an unknown one, with what to do about it.
    this.#images.get(image);
    return "";
  }

  createSandbox(spec: SandboxSpec, context: CallContext): Promise<RuntimeSandbox> {
    const { uid } = spec.owner;
    return this.#inTurn(uid, context, async () => {
      const present = this.#pods.get(uid);
      if (present?.description.boot === this.#boot) return this.#shown(present);
      checkSandbox(spec, this.#options.config, this.#rules.root);
      const directory = this.#podDirectory(uid);
      const { volumes, revision, notes, ...rest } = spec;
      const kept: Omit<PodDescription, "volumes"> = {
        ...{ spec: rest, revision, notes, boot: "" },
        createdAt: present?.description.createdAt ?? this.#clock.now(),
      };
      const pod = present ?? new PodRecord(directory, { ...kept, volumes: [] });
      await pod.write({ ...kept, volumes: [] });
      this.#pods.set(uid, pod);
      const volumeNotes = await makeVolumes(pod.volumes, volumes, spec.fsGroup, this.#volumeRules);
      if (spec.resolvConf !== undefined) {
        await writeWhole(pod.resolvConf, spec.resolvConf, 0o644);
        await chmod(pod.resolvConf, 0o644);
      }
      if (this.#options.config.isolation === "namespaces") await makeDevices(pod.devices);
      await pod.write({ ...kept, volumes: volumeNotes, boot: this.#boot });
      this.#events.tell(uid);
      return this.#shown(pod);
    });
  }

  updateSandbox(
    podUid: string,
    change: { readonly revision?: string | undefined; readonly notes?: Readonly<Record<string, string>> | undefined },
    context: CallContext,
  ): Promise<void> {
    return this.#inTurn(podUid, context, async () => {
      const pod = this.#pod(podUid);
      const { description } = pod;
      await pod.write({
        ...description,
        revision: change.revision ?? description.revision,
        notes: { ...description.notes, ...change.notes },
      });
      this.#events.tell(podUid);
    });
  }

  stopSandbox(podUid: string, context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, async () => {
      const pod = this.#pods.get(podUid);
      if (pod === undefined || pod.description.boot === "") return;
      await this.#killAll(pod, context);
      await removeTree(pod.devices);
      for (const { name, type } of pod.description.volumes)
        if (type === "files") await removeTree(join(pod.volumes, name));
      await pod.write({ ...pod.description, boot: "" });
      this.#events.tell(podUid);
    });
  }

  removeSandbox(podUid: string, context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, async () => {
      const pod = this.#pods.get(podUid);
      if (pod === undefined) return;
      await this.#killAll(pod, context);
      for (const run of pod.runs.values()) await run.close();
      await removeTree(pod.directory);
      for (const run of pod.runs.values()) removeCgroups(run.record.description.cgroups);
      removeCgroups(this.#cgroupPaths(podUid));
      this.#pods.delete(podUid);
      this.#events.tell(podUid);
    });
  }

  updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    return this.#inTurn(podUid, context, async () => {
      const pod = this.#pod(podUid);
      if (pod.description.boot === this.#boot)
        await updateFiles(pod.volumes, volumes, pod.description.spec.fsGroup, this.#volumeRules);
    });
  }

  createContainer(spec: ContainerSpec, context: CallContext): Promise<void> {
    return this.#inTurn(spec.podUid, context, async () => {
      const pod = this.#pod(spec.podUid);
      const key = runKey(spec.name, spec.attempt);
      if (pod.runs.has(key)) return;
      if (pod.description.boot !== this.#boot)
        throw new VirtualKubeletError("NotFound", `the sandbox of pod ${spec.podUid} is not ready`);
      const image = this.#images.get(spec.image);
      const directory = pod.runDirectory(spec.name, spec.attempt);
      const { plan, description, files } = planContainer(spec, {
        ...{ config: this.#options.config, rules: this.#rules, pod, image, directory },
        stateDirectory: this.#options.config.stateDirectory,
        cgroups: this.#cgroupPaths(spec.podUid, `${spec.name}.${spec.attempt}`),
        joinPid: this.#targetPid(pod, spec.targetContainer),
        now: this.#clock.now(),
      });
      // Of a call that was broken off.
      await removeTree(directory);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      for (const { name, content, mode } of files) {
        await writeWhole(join(directory, name), content, mode);
        await chmod(join(directory, name), mode);
      }
      await writeWhole(join(directory, "supervise.sh"), supervisorScript(plan));
      await writeWhole(join(directory, "init.sh"), initScript(plan));
      await writeWhole(join(directory, "enter.sh"), enterScript(plan.enter));
      // With this it is there.
      await writeDescription(directory, description);
      this.#addRun(pod, directory, description);
      this.#events.tell(spec.podUid);
    });
  }

  async startContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    const run = this.#run(ref);
    const { cgroups, spec } = run.record.description;
    if (this.#cgroupHost !== undefined && cgroups.length > 0 && run.record.state().type === "created")
      makeCgroups(this.#cgroupHost, this.#cgroupName(ref.podUid, `${ref.name}.${ref.attempt}`), spec.resources);
    await run.start(context.signal);
  }

  async stopContainer(
    ref: ContainerRef,
    options: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
    context: CallContext,
  ): Promise<void> {
    context.signal.throwIfAborted();
    const run = this.#pods.get(ref.podUid)?.runs.get(runKey(ref.name, ref.attempt));
    await run?.stop(options.gracePeriodSeconds * 1000, signalNumber(options.signal), context.signal);
  }

  removeContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    return this.#inTurn(ref.podUid, context, async () => {
      const pod = this.#pods.get(ref.podUid);
      const key = runKey(ref.name, ref.attempt);
      const run = pod?.runs.get(key);
      if (pod === undefined || run === undefined) return;
      await run.stop(0, "SIGKILL", context.signal);
      await run.close();
      await removeTree(run.record.directory);
      removeCgroups(run.record.description.cgroups);
      pod.runs.delete(key);
      this.#events.tell(ref.podUid);
    });
  }

  async updateResources(ref: ContainerRef, resources: ResourceRequirements, { signal }: CallContext): Promise<void> {
    signal.throwIfAborted();
    const { cgroups } = this.#run(ref).record.description;
    if (cgroups.length === 0)
      throw new VirtualKubeletError("Unsupported", "there are no control groups here to resize");
    limitCgroups(cgroups, resources);
  }

  async list({ signal }: CallContext): Promise<readonly RuntimeSandbox[]> {
    signal.throwIfAborted();
    return [...this.#pods.values()].map((pod) => this.#shown(pod));
  }

  async get(podUid: string, { signal }: CallContext): Promise<RuntimeSandbox | undefined> {
    signal.throwIfAborted();
    const pod = this.#pods.get(podUid);
    return pod && this.#shown(pod);
  }

  events({ signal }: CallContext): AsyncIterable<string> {
    return this.#events.read(signal);
  }

  async logs(ref: ContainerRef, options: ContainerLogOptions, { signal }: CallContext): Promise<ContainerLogs> {
    signal.throwIfAborted();
    const run = this.#run(ref);
    if (run.record.state().type === "created")
      throw new VirtualKubeletError("NotFound", `container ${ref.name} has not run`);
    await run.log.pump(run.record.isOver);
    const follow = options.follow === true;
    return { format: "cri", data: readLog(run.log, { follow, signal }), applied: ["follow"] };
  }

  async terminationMessage(ref: ContainerRef, { signal }: CallContext): Promise<string> {
    signal.throwIfAborted();
    return this.#run(ref).terminationMessage();
  }

  async exec(): Promise<ExecResult> {
    throw new VirtualKubeletError("Unsupported", "exec");
  }

  async ping({ signal }: CallContext): Promise<void> {
    signal.throwIfAborted();
    readdirSync(join(this.#directory, "pods"));
  }

  /** Lets go of everything; containers go on, and the next one over the same directory takes them up. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#events.close();
    for (const pod of this.#pods.values()) for (const run of pod.runs.values()) await run.close();
    this.#unlock();
  }

  async #adopt(): Promise<void> {
    for (const uid of readdirSync(join(this.#directory, "pods"))) {
      const directory = this.#podDirectory(uid);
      const pod = readPod(directory) ?? new PodRecord(directory, halfRemoved(uid));
      for (const run of readRuns(directory)) this.#addRun(pod, run.directory, run.description);
      if (readPod(directory) === undefined) {
        await this.#killAll(pod, { signal: AbortSignal.timeout(30_000), log: this.#options.log });
        for (const run of pod.runs.values()) await run.close();
        await removeTree(directory);
        continue;
      }
      this.#pods.set(uid, pod);
      for (const run of pod.runs.values()) if (run.record.state().type !== "created") run.watch();
    }
    await Promise.all([...this.#pods.values()].flatMap((pod) => [...pod.runs.values()].map((run) => run.check())));
  }

  #checkAll(): void {
    for (const pod of this.#pods.values()) for (const run of pod.runs.values()) void run.check();
  }

  async #killAll(pod: PodRecord, { signal }: Pick<CallContext, "signal" | "log">): Promise<void> {
    await Promise.all([...pod.runs.values()].map((run) => run.stop(0, "SIGKILL", signal)));
    for (const run of pod.runs.values()) run.killRest();
  }

  #addRun(pod: PodRecord, directory: string, description: RunDescription): void {
    const { logs } = this.#options.config;
    const run = new LiveRun(new RunRecord(directory, description, this.#boot), {
      logs: { maxBytes: logs.maxSize, maxFiles: logs.maxFiles },
      clock: this.#clock,
      changed: () => this.#events.tell(pod.uid),
    });
    pod.runs.set(runKey(description.spec.name, description.spec.attempt), run);
  }

  #targetPid(pod: PodRecord, name: string | undefined): number | undefined {
    if (name === undefined) return undefined;
    for (const run of pod.runs.values()) {
      const state = run.record.state();
      if (run.ref.name === name && state.type === "running" && run.record.description.ownPids) return state.main.pid;
    }
    return undefined;
  }

  #cgroupName(uid: string, run?: string): string {
    const parts = [this.#options.config.cgroupParent, this.#options.node, uid, ...(run === undefined ? [] : [run])];
    return join(...parts);
  }

  #cgroupPaths(uid: string, run?: string): readonly string[] {
    const host = this.#cgroupHost;
    if (host === undefined) return [];
    const mounts = host.version === 2 ? [host.mount] : [...new Set(Object.values(host.mounts))];
    return mounts.map((mount) => join(mount, this.#cgroupName(uid, run)));
  }

  #podDirectory(uid: string): string {
    if (!/^[\w][\w.-]{0,127}$/.test(uid)) throw new VirtualKubeletError("Invalid", `"${uid}" is no UID of a pod`);
    return join(this.#directory, "pods", uid);
  }

  #shown(pod: PodRecord): RuntimeSandbox {
    return pod.sandbox(this.#boot, this.#options.hostIPs);
  }

  #pod(uid: string): PodRecord {
    const pod = this.#pods.get(uid);
    if (pod === undefined) throw new VirtualKubeletError("NotFound", `there is no pod ${uid}`);
    return pod;
  }

  #run({ podUid, name, attempt }: ContainerRef): LiveRun {
    const run = this.#pod(podUid).runs.get(runKey(name, attempt));
    if (run === undefined) throw new VirtualKubeletError("NotFound", `there is no run ${attempt} of container ${name}`);
    return run;
  }

  #inTurn<T>(uid: string, { signal }: CallContext, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(uid) ?? Promise.resolve();
    const turn = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(uid, settled);
    void settled.then(() => {
      if (this.#turns.get(uid) === settled) this.#turns.delete(uid);
    });
    return turn;
  }
}

function halfRemoved(uid: string): PodDescription {
  const owner = { cluster: "", node: "", namespace: "", name: "", uid };
  return {
    spec: {
      ...{ owner, hostname: "", hostNetwork: true, hostPID: false, hostIPC: false, shareProcessNamespace: false },
      ...{ sysctls: {}, hostPorts: [] },
    },
    ...{ revision: "", notes: {}, volumes: [], createdAt: 0, boot: "" },
  };
}
