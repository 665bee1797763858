// All of a pod that is on the host's disk beside what the engine has: its record, its volumes, the files of its network and its
// runs, below pods/<uid> of the node's directory.
import { existsSync, globSync, mkdirSync, statSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { hostname, totalmem } from "node:os";
import { join, posix } from "node:path";
import {
  type ContainerRef,
  type ContainerSpec,
  type Logger,
  parseQuantity,
  type ResolvedVolume,
  type SandboxSpec,
  VirtualKubeletError,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import {
  endOfFile,
  hostsContent,
  makeVolumes,
  mountsUnder,
  readIfThere,
  readVolumeFile,
  removeTree,
  unmountUnder,
  updateFiles,
  type VolumeRules,
  volumePath,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineMount } from "./engine/engine-client.ts";
import { type KeptPod, readAllKept, writeKept } from "./kept-pod.ts";
import { volumeMounts } from "./mount-sources.ts";
import type { PodRecord } from "./pod-record.ts";

export interface PodFilesOptions {
  /** Of the node; this is the only one who works in it. */
  readonly directory: string;
  /** Directories of the host that pods may have, with all in them; "/" for all. */
  readonly hostPaths: readonly string[];
  readonly log: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export interface MeasuredVolume {
  readonly name: string;
  readonly path: string;
  /** It takes nothing of the disk. */
  readonly memory: boolean;
}

const longestMessage = 4096;

/** Calls about one pod that change something come one after another. */
export class PodFiles {
  readonly #options: PodFilesOptions;
  readonly #directory: string;
  readonly #pods: Map<string, KeptPod>;

  private constructor(options: PodFilesOptions, directory: string, pods: ReadonlyMap<string, KeptPod>) {
    this.#options = options;
    this.#directory = directory;
    this.#pods = new Map(pods);
  }

  /** With all that is there; remains of removals that were broken off go. */
  static async open(options: PodFilesOptions): Promise<PodFiles> {
    const directory = join(options.directory, "pods");
    // Files in volumes are for whom their modes say, in containers alone.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { pods, remains } = readAllKept(directory, options.log);
    for (const path of remains) await removeTree(path);
    return new PodFiles(options, directory, pods);
  }

  /** Of all pods that have a record. */
  uids(): readonly string[] {
    return [...this.#pods.keys()];
  }

  record(uid: string): PodRecord | undefined {
    return this.#pods.get(uid)?.record;
  }

  /** It is on the disk when this resolves. */
  async writeRecord(uid: string, record: PodRecord): Promise<void> {
    await mkdir(this.#pod(uid), { recursive: true, mode: 0o700 });
    await this.#keep(uid, { ...this.#pods.get(uid), record });
  }

  /**
   * Makes volumes and files of a pod that has a record; those that are there stay, and get the contents that are wanted now. Throws
   * Unsupported and Invalid for volumes that cannot be had here, Unavailable for what is not there on the host.
   */
  async make(spec: SandboxSpec): Promise<void> {
    const { uid } = spec.owner;
    const pod = this.#kept(uid);
    const { fsGroup } = spec;
    const kept = new Set(pod.volumes?.notes.map(({ name }) => name));
    const rules = { ...this.#rules(), kept, makeHostPaths: true, memoryLimit: memoryLimit(spec) };
    await this.#dropLostPlaces(uid);
    const notes = await makeVolumes(this.#volumes(uid), spec.volumes, fsGroup, rules);
    await this.#keep(uid, { ...pod, volumes: { fsGroup, notes } });
    await rewrite(join(this.#pod(uid), "hostname"), `${spec.hostNetwork ? hostname() : spec.hostname}\n`);
    const resolvConf = spec.resolvConf ?? readIfThere("/etc/resolv.conf");
    if (resolvConf !== undefined) await rewrite(join(this.#pod(uid), "resolv.conf"), resolvConf);
  }

  /** Replaces contents of volumes of type files; of those that are not made, none. */
  async updateVolumes(uid: string, volumes: readonly ResolvedVolume[]): Promise<void> {
    const { notes = [], fsGroup } = this.#kept(uid).volumes ?? {};
    const made = volumes.filter(({ name }) => notes.some((note) => note.type === "files" && note.name === name));
    await updateFiles(this.#volumes(uid), made, fsGroup, this.#rules());
  }

  /**
   * What a run mounts, with the paths that it has on the host; made anew each time, so not while there is a container of this run.
   * Throws Invalid (CreateContainerConfigError) for paths in volumes that cannot be.
   */
  async mountsOf(spec: ContainerSpec): Promise<readonly EngineMount[]> {
    const { record, volumes } = this.#kept(spec.podUid);
    const run = this.#run(spec);
    const { hostPaths, log } = this.#options;
    await removeTree(run);
    await mkdir(run, { recursive: true, mode: 0o700 });
    const asked = await volumeMounts(spec.mounts, {
      ...{ container: spec.name, volumes: this.#volumes(spec.podUid), notes: volumes?.notes ?? [] },
      ...{ hostPaths, places: join(run, "mounts"), log },
    });
    const message = messageFile(run);
    // Whoever the container runs as writes it.
    await rewrite(message, "", 0o666);
    const ours: EngineMount[] = [];
    const add = (Source: string, path: string): void => {
      const Target = posix.join("/", path);
      // The container's own go first.
      if (asked.some((mount) => posix.normalize(mount.Target).replace(/\/+$/, "") === Target)) return;
      ours.push({ Type: "bind", Source, Target, BindOptions: { Propagation: "rprivate" } });
    };
    if (spec.terminationMessagePath !== "") add(message, spec.terminationMessagePath);
    const pod = this.#pod(spec.podUid);
    add(join(pod, "hostname"), "/etc/hostname");
    const hosts = hostsContent(spec, record.sandbox?.hostNetwork ?? false);
    if (hosts !== undefined) {
      // One for all containers of the pod: what one writes into it, the others see.
      const path = join(pod, "etc-hosts");
      await rewrite(path, hosts);
      add(path, "/etc/hosts");
    }
    const resolvConf = join(pod, "resolv.conf");
    if (existsSync(resolvConf)) add(resolvConf, "/etc/resolv.conf");
    return [...asked, ...ours];
  }

  /** At most the last 4096 bytes; "" when there is none. */
  async terminationMessage(ref: ContainerRef): Promise<string> {
    return endOfFile(messageFile(this.#run(ref)), longestMessage);
  }

  /** As ContainerRuntime.readVolumeFile. */
  async readVolumeFile(uid: string, volume: string, path: string): Promise<Uint8Array> {
    return readVolumeFile({ volumes: this.#volumes(uid), notes: this.#kept(uid).volumes?.notes ?? [] }, volume, path);
  }

  /** Volumes of the pod's own: emptyDir, and those made of files. */
  measuredPaths(uid: string): readonly MeasuredVolume[] {
    return (this.#pods.get(uid)?.volumes?.notes ?? []).flatMap((note) =>
      note.type === "hostPath"
        ? []
        : [{ name: note.name, path: volumePath(this.#volumes(uid), note.name), memory: note.memory === true }],
    );
  }

  /** Of a run whose container is gone. No error when it is gone too. */
  async removeRun(ref: ContainerRef): Promise<void> {
    await removeTree(this.#run(ref));
  }

  /** Of a pod whose containers have all ended: memory and disk are free again; messages of its runs stay. Can be made again. */
  async removeVolumes(uid: string): Promise<void> {
    const pod = this.#pods.get(uid);
    await unmountUnder(join(this.#pod(uid), "containers"));
    await removeTree(this.#volumes(uid));
    if (pod?.volumes !== undefined) await this.#keep(uid, { record: pod.record });
  }

  /** Of a pod whose containers are gone. It is listed until nothing is left. */
  async removePod(uid: string): Promise<void> {
    for (const part of ["containers", "volumes"]) await removeTree(join(this.#pod(uid), part));
    await removeTree(this.#pod(uid));
    this.#pods.delete(uid);
  }

  /** A restart of the host has unmounted what runs were to mount that have not begun: rather than with nothing, they do not begin. */
  async #dropLostPlaces(uid: string): Promise<void> {
    const mounted = new Set(mountsUnder(this.#pod(uid)));
    for (const place of globSync(join(this.#pod(uid), "containers/*/*/mounts/*")))
      if (!mounted.has(place)) await removeTree(place);
  }

  async #keep(uid: string, pod: KeptPod): Promise<void> {
    await writeKept(this.#pod(uid), pod);
    this.#pods.set(uid, pod);
  }

  #kept(uid: string): KeptPod {
    const pod = this.#pods.get(uid);
    if (pod === undefined) throw new VirtualKubeletError("NotFound", `there is no pod ${uid}`);
    return pod;
  }

  #rules(): VolumeRules {
    return { root: process.getuid?.() === 0, hostPaths: this.#options.hostPaths, now: this.#options.now };
  }

  #pod(uid: string): string {
    return join(this.#directory, checkedName(uid));
  }

  #volumes(uid: string): string {
    return join(this.#pod(uid), "volumes");
  }

  #run({ podUid, name, attempt }: Pick<ContainerRef, "podUid" | "name" | "attempt">): string {
    return join(this.#pod(podUid), "containers", checkedName(name), checkedName(String(attempt)));
  }
}

function messageFile(run: string): string {
  return join(run, "termination-log");
}

/** The same file all the time: containers have it. */
async function rewrite(path: string, content: string, mode = 0o644): Promise<void> {
  // What a container has made of it may be of any size.
  const same = statSync(path, { throwIfNoEntry: false })?.size === Buffer.byteLength(content);
  if (!same || readIfThere(path) !== content) await writeFile(path, content, { mode });
  // Whatever our umask is.
  await chmod(path, mode);
}

/** Nothing in memory may have more than its pod, or the host. */
function memoryLimit({ resources }: SandboxSpec): number {
  const limit = resources?.limits?.["memory"];
  const bytes = limit === undefined ? 0 : Number(wholeUnits(parseQuantity(limit)));
  return bytes > 0 ? Math.min(bytes, totalmem()) : totalmem();
}

/** UIDs, names of containers and numbers; nothing else gets to be a path. */
function checkedName(name: string): string {
  if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name) || name.length > 253)
    throw new VirtualKubeletError("Invalid", `"${name}" is no name that a directory can have`);
  return name;
}
