// Files of one pod without an engine: its directory, what it asks for, what its runs mount. Needs root on Linux.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ContainerSpec,
  type Mount,
  type ResolvedVolume,
  type SandboxSpec,
  silentLogger,
} from "@virtual-kubelet/virtual-kubelet";
import { mountsUnder, removeTree } from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineMount } from "../engine/engine-client.ts";
import { PodFiles } from "../pod-files.ts";
import type { PodRecord } from "../pod-record.ts";

export const uid: string = "0f1e2d3c-aaaa-bbbb-cccc-000000000001";
const owner = { cluster: "c", node: "n", namespace: "default", name: "web", uid };

export function podOf(volumes: readonly ResolvedVolume[] = [], change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    ...{ owner, revision: "1", hostname: "web", resolvConf: "nameserver 192.0.2.1\n", notes: {}, volumes },
    ...{ hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false, sysctls: {}, hostPorts: [] },
    ...change,
  };
}

export function runOf(mounts: readonly Mount[] = [], change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    ...{
      podUid: uid,
      name: "app",
      attempt: 0,
      image: "i",
      env: [],
      mounts,
      tty: false,
      stdin: false,
      stdinOnce: false,
    },
    ...{ hosts: "192.0.2.7\tweb\n", terminationMessagePath: "/dev/termination-log", security: {}, resources: {} },
    notes: {},
    ...change,
  };
}

export const scratch: ResolvedVolume = { name: "scratch", type: "emptyDir", medium: "" };

export function secret(text: string): ResolvedVolume {
  const file = { path: "key", mode: 0o600, secret: true, data: Buffer.from(text) };
  return { name: "secret", type: "files", files: [file], memory: true };
}

export class FilesBench implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "vk-pod-files-"));
  readonly host: string = join(this.directory, "host");
  hostPaths: readonly string[] = [this.host];

  constructor() {
    mkdirSync(this.host);
  }

  /** As a program that begins. */
  open(): Promise<PodFiles> {
    const { directory, hostPaths } = this;
    return PodFiles.open({ directory: join(directory, "node"), hostPaths, log: silentLogger, now: () => 0 });
  }

  async pod(spec: SandboxSpec): Promise<PodFiles> {
    const files = await this.open();
    const { owner: of, revision, notes, volumes: _, ...sandbox } = spec;
    const record: PodRecord = {
      owner: of,
      revision,
      notes,
      sandbox,
      createdAt: 1,
      infra: "",
      cgroupParent: "",
      startFaults: {},
    };
    await files.writeRecord(uid, record);
    await files.make(spec);
    return files;
  }

  get pods(): string {
    return join(this.directory, "node/pods");
  }

  get mounts(): readonly string[] {
    return mountsUnder(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.directory);
  }
}

export function at(mounts: readonly EngineMount[], target: string): string {
  const found = mounts.filter((mount) => mount.Target === target);
  assert.equal(found.length, 1, `${found.length} mounts at ${target}`);
  return found[0]?.Source ?? "";
}

export function text(mounts: readonly EngineMount[], target: string): string {
  return readFileSync(at(mounts, target), "utf8");
}
