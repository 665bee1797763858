// STAND-IN until pod-files.ts is there.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type ContainerRef,
  type ContainerSpec,
  type ResolvedVolume,
  type SandboxSpec,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import {
  makeVolumes,
  readVolumeFile,
  removeTree,
  updateFiles,
  type VolumeNote,
  volumePath,
  writeWhole,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineMount } from "./engine/engine-client.ts";
import type { PodRecord } from "./pod-record.ts";

export class PodFiles {
  readonly #directory: string;
  readonly #records = new Map<string, PodRecord>();
  readonly #notes = new Map<string, readonly VolumeNote[]>();
  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(join(directory, "pods"), { recursive: true });
    for (const uid of readdirSync(join(directory, "pods"))) {
      const path = join(directory, "pods", uid, "record.json");
      if (!existsSync(path)) continue;
      const { record, notes } = JSON.parse(readFileSync(path, "utf8"));
      this.#records.set(uid, record);
      this.#notes.set(uid, notes);
    }
  }
  uids(): readonly string[] {
    return [...this.#records.keys()];
  }
  record(uid: string): PodRecord | undefined {
    return this.#records.get(uid);
  }
  #pod(uid: string): string {
    return join(this.#directory, "pods", uid);
  }
  async writeRecord(uid: string, record: PodRecord): Promise<void> {
    await mkdir(this.#pod(uid), { recursive: true });
    await writeWhole(
      join(this.#pod(uid), "record.json"),
      JSON.stringify({ record, notes: this.#notes.get(uid) ?? [] }),
    );
    this.#records.set(uid, record);
  }
  async make(spec: SandboxSpec): Promise<void> {
    const { uid } = spec.owner;
    await mkdir(this.#pod(uid), { recursive: true });
    this.#notes.set(
      uid,
      await makeVolumes(join(this.#pod(uid), "volumes"), spec.volumes, spec.fsGroup, {
        root: true,
        hostPaths: ["/"],
        now: () => Date.now(),
      }),
    );
    await writeWhole(join(this.#pod(uid), "hostname"), `${spec.hostname}\n`, 0o644);
    if (spec.resolvConf !== undefined) await writeWhole(join(this.#pod(uid), "resolv.conf"), spec.resolvConf, 0o644);
  }
  async updateVolumes(uid: string, volumes: readonly ResolvedVolume[]): Promise<void> {
    await updateFiles(join(this.#pod(uid), "volumes"), volumes, undefined, {
      root: true,
      hostPaths: ["/"],
      now: () => Date.now(),
    });
  }
  async readVolumeFile(uid: string, volume: string, path: string): Promise<Uint8Array> {
    return readVolumeFile(
      { volumes: join(this.#pod(uid), "volumes"), notes: this.#notes.get(uid) ?? [] },
      volume,
      path,
    );
  }
  async removeVolumes(uid: string): Promise<void> {
    await removeTree(join(this.#pod(uid), "volumes"));
  }
  /** Volumes that are the pod's own. */
  measuredPaths(uid: string): readonly { readonly name: string; readonly path: string }[] {
    return (this.#notes.get(uid) ?? []).flatMap(({ name, type }) =>
      type === "hostPath" ? [] : [{ name, path: volumePath(join(this.#pod(uid), "volumes"), name) }],
    );
  }
  #run(ref: ContainerRef): string {
    return join(this.#pod(ref.podUid), "containers", ref.name, String(ref.attempt));
  }
  async mountsOf(spec: ContainerSpec): Promise<readonly EngineMount[]> {
    const run = this.#run(spec);
    await mkdir(run, { recursive: true });
    await writeWhole(join(run, "termination"), "", 0o666);
    await chmod(join(run, "termination"), 0o666);
    if (spec.hosts !== undefined) {
      await writeWhole(join(run, "hosts"), spec.hosts, 0o644);
      await chmod(join(run, "hosts"), 0o644);
    }
    const resolv = join(this.#pod(spec.podUid), "resolv.conf");
    return [
      ...spec.mounts.map((mount): EngineMount => {
        const note = (this.#notes.get(spec.podUid) ?? []).find(({ name }) => name === mount.volume);
        if (note === undefined) throw new VirtualKubeletError("Invalid", `no volume ${mount.volume}`);
        const root =
          note.type === "hostPath" ? note.path : volumePath(join(this.#pod(spec.podUid), "volumes"), mount.volume);
        return {
          Type: "bind",
          Source: mount.subPath ? join(root, mount.subPath) : root,
          Target: mount.mountPath,
          ReadOnly: mount.readOnly,
        };
      }),
      { Type: "bind", Source: join(run, "termination"), Target: spec.terminationMessagePath },
      { Type: "bind", Source: join(this.#pod(spec.podUid), "hostname"), Target: "/etc/hostname" },
      ...(spec.hosts === undefined
        ? []
        : [{ Type: "bind", Source: join(run, "hosts"), Target: "/etc/hosts" } as const]),
      ...(existsSync(resolv) ? [{ Type: "bind", Source: resolv, Target: "/etc/resolv.conf" } as const] : []),
    ];
  }
  async terminationMessage(ref: ContainerRef): Promise<string> {
    try {
      return readFileSync(join(this.#run(ref), "termination"), "utf8").slice(0, 4096);
    } catch {
      return "";
    }
  }
  async removeRun(ref: ContainerRef): Promise<void> {
    await removeTree(this.#run(ref));
  }
  async removePod(uid: string): Promise<void> {
    this.#records.delete(uid);
    await removeTree(this.#pod(uid));
  }
}
