// All pods of one node on this host, as long as this process looks after them: read back from the state directory, kept by UID.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../clock.ts";
import type { ContainerRef, RuntimeSandbox } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { type CgroupHost, findCgroups, sweepCgroups } from "../../host/cgroups.ts";
import { removeTree } from "../../host/mounts.ts";
import type { VolumeRules } from "../../host/pod-volumes.ts";
import { bootId } from "../../host/process-table.ts";
import { lockState } from "../../host/state-lock.ts";
import { Turns } from "../../host/turns.ts";
import { UidEvents } from "../../host/uid-events.ts";
import type { Logger } from "../../log.ts";
import type { ProcessConfig } from "./config.ts";
import type { UserRules } from "./container-user.ts";
import { ImageMap } from "./image-map.ts";
import { LiveRun } from "./live-run.ts";
import { parseRange } from "./pod-addresses.ts";
import { bridgeName, PodNetwork, removeBridge, sweepNetwork } from "./pod-network.ts";
import { halfRemoved, PodRecord, readPod, readRuns, runKey } from "./pod-record.ts";
import { type RunDescription, RunRecord } from "./run-record.ts";

export interface ProcessRuntimeOptions {
  readonly config: ProcessConfig;
  /** Name of the node: its part of the state directory. */
  readonly node: string;
  readonly log: Logger;
  /** Addresses of this host, primary first: pods have them too. */
  readonly hostIPs: readonly string[];
  readonly clock?: Clock | undefined;
}

/** Between two looks at runs whose directories give no notice. */
const checkIntervalMs = 1000;
const adoptionKillMs = 30_000;

export class RuntimeState {
  readonly options: ProcessRuntimeOptions;
  readonly config: ProcessConfig;
  readonly clock: Clock;
  readonly boot: string;
  /** Of this node. */
  readonly directory: string;
  readonly images: ImageMap;
  /** undefined: runs have no control groups. */
  readonly cgroupHost: CgroupHost | undefined;
  /** Name of the bridge that pods with a network of their own are joined to. */
  readonly bridge: string;
  /** undefined: pods get none of their own. */
  network: PodNetwork | undefined;
  readonly userRules: UserRules;
  readonly volumeRules: VolumeRules;
  readonly pods: Map<string, PodRecord> = new Map();
  readonly events: UidEvents = new UidEvents();
  /** Calls about one pod come one after another, where they change its files. */
  readonly #turns: Turns = new Turns();
  readonly #unlock: () => void;
  readonly #timer: NodeJS.Timeout;

  private constructor(options: ProcessRuntimeOptions) {
    const { config } = options;
    this.options = options;
    this.config = config;
    this.clock = options.clock ?? systemClock;
    this.boot = bootId();
    this.directory = join(config.stateDirectory, options.node);
    this.bridge = bridgeName(this.directory);
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const root = uid === 0;
    this.cgroupHost = config.cgroups === "off" || !root ? undefined : findCgroups();
    if (config.cgroups === "required" && this.cgroupHost === undefined)
      throw new VirtualKubeletError("Invalid", "cgroups are required, and this host has none that can be used");
    const { allowRoot, allowPrivileged } = config;
    this.userRules = { root, own: { uid, gid }, fallback: config.user, allowRoot, allowPrivileged };
    this.volumeRules = { root, hostPaths: config.hostPaths, now: () => this.clock.now() };
    this.images = new ImageMap(
      Object.fromEntries(Object.entries(config.images).map(([name, entry]) => [name, entry === "host" ? {} : entry])),
    );
    mkdirSync(config.stateDirectory, { recursive: true, mode: 0o700 });
    mkdirSync(join(this.directory, "pods"), { recursive: true, mode: 0o700 });
    this.#unlock = lockState(this.directory);
    this.#timer = setInterval(() => this.#checkAll(), checkIntervalMs);
    this.#timer.unref();
  }

  /** Throws Conflict while another process works on the directory, Invalid where cgroups are required and not to be had. */
  static async open(options: ProcessRuntimeOptions): Promise<RuntimeState> {
    const state = new RuntimeState(options);
    const { network, podCIDR = "" } = options.config;
    const range = network === "private" ? parseRange(podCIDR) : undefined;
    try {
      if (range !== undefined) state.network = await PodNetwork.open(state.bridge, range);
      await state.#adopt();
    } catch (error) {
      await state.close();
      throw error;
    }
    return state;
  }

  /** Lets go of everything; containers go on. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.events.close();
    for (const pod of this.pods.values()) for (const run of pod.runs.values()) await run.close();
    try {
      if (this.#networked().length === 0) await removeBridge(this.bridge);
    } finally {
      this.#unlock();
    }
  }

  shown(pod: PodRecord): RuntimeSandbox {
    return pod.sandbox(this.boot, this.options.hostIPs);
  }

  /** Throws NotFound. */
  pod(uid: string): PodRecord {
    const pod = this.pods.get(uid);
    if (pod === undefined) throw new VirtualKubeletError("NotFound", `there is no pod ${uid}`);
    return pod;
  }

  /** Throws NotFound. */
  run({ podUid, name, attempt }: ContainerRef): LiveRun {
    const run = this.pod(podUid).runs.get(runKey(name, attempt));
    if (run === undefined) throw new VirtualKubeletError("NotFound", `there is no run ${attempt} of container ${name}`);
    return run;
  }

  podDirectory(uid: string): string {
    if (!/^[\w][\w.-]{0,127}$/.test(uid)) throw new VirtualKubeletError("Invalid", `"${uid}" is no UID of a pod`);
    return join(this.directory, "pods", uid);
  }

  /** Path of a control group below the root of its hierarchy: a pod's, or that of one of its runs. */
  cgroupName(uid: string, run?: string): string {
    return join(this.config.cgroupParent, this.options.node, uid, ...(run === undefined ? [] : [run]));
  }

  cgroupPaths(uid: string, run?: string): readonly string[] {
    const host = this.cgroupHost;
    if (host === undefined) return [];
    const mounts = host.version === 2 ? [host.mount] : [...new Set(Object.values(host.mounts))];
    return mounts.map((mount) => join(mount, this.cgroupName(uid, run)));
  }

  addRun(pod: PodRecord, directory: string, description: RunDescription): void {
    const { logs } = this.config;
    const run = new LiveRun(new RunRecord(directory, description, this.boot), {
      logs: { maxBytes: logs.maxSize, maxFiles: logs.maxFiles },
      clock: this.clock,
      log: this.options.log,
      changed: () => this.events.tell(pod.uid),
    });
    pod.runs.set(runKey(description.spec.name, description.spec.attempt), run);
  }

  /** Kills all runs of a pod; resolves when they have ended. */
  async killAll(pod: PodRecord, signal: AbortSignal): Promise<void> {
    await Promise.all([...pod.runs.values()].map((run) => run.stop(0, "SIGKILL", signal)));
    for (const run of pod.runs.values()) {
      run.killRest();
      run.endRest();
    }
  }

  /** Does the work when all calls before about this pod have ended. */
  inTurn<T>(uid: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#turns.inTurn(uid, signal, work);
  }

  async #adopt(): Promise<void> {
    for (const uid of readdirSync(join(this.directory, "pods"))) {
      const directory = this.podDirectory(uid);
      const found = readPod(directory);
      const pod = found ?? new PodRecord(directory, halfRemoved(uid));
      for (const run of readRuns(directory)) this.addRun(pod, run.directory, run.description);
      if (found !== undefined) {
        this.pods.set(uid, pod);
        await this.#adoptNetwork(pod);
        for (const run of pod.runs.values()) if (run.record.state().type !== "created") run.watch();
        continue;
      }
      // We were killed while it was being made, or removed.
      await this.killAll(pod, AbortSignal.timeout(adoptionKillMs));
      for (const run of pod.runs.values()) await run.close();
      await removeTree(directory);
    }
    await sweepNetwork(this.bridge, this.#networked());
    await Promise.all([...this.pods.values()].flatMap((pod) => [...pod.runs.values()].map((run) => run.check())));
    sweepCgroups(this.cgroupPaths(""), (uid) => this.pods.has(uid));
  }

  /** What has lost its network, or has one of another range, has to be made ready again. */
  async #adoptNetwork(pod: PodRecord): Promise<void> {
    const { network } = this;
    const { address, boot } = pod.description;
    if (network === undefined || address === undefined) return;
    const recovered = network.addresses.recover(pod.uid, address);
    if (boot !== this.boot || (recovered && network.isAttached(pod.uid, pod.network))) return;
    this.options.log.warn({ uid: pod.uid, address }, "the network of a pod is gone: it begins anew");
    await this.killAll(pod, AbortSignal.timeout(adoptionKillMs));
    await pod.write({ ...pod.description, boot: "" });
  }

  /** UIDs of pods in networks of their own. */
  #networked(): readonly string[] {
    return [...this.pods.values()].flatMap((pod) => (pod.description.address === undefined ? [] : [pod.uid]));
  }

  #checkAll(): void {
    for (const pod of this.pods.values()) for (const run of pod.runs.values()) void run.check();
  }
}
