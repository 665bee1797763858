// One pod on this host: what is kept of it in its directory, and its runs.
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeSandbox, SandboxSpec } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { VolumeNote } from "../../host/pod-volumes.ts";
import { readIfThere, writeWhole } from "../../host/state-files.ts";
import type { LiveRun } from "./live-run.ts";
import { type RunDescription, readDescription } from "./run-record.ts";

/** What is written down: the request without the contents of its volumes. */
export interface PodDescription {
  readonly spec: Omit<SandboxSpec, "volumes" | "revision" | "notes">;
  readonly revision: string;
  readonly notes: Readonly<Record<string, string>>;
  readonly volumes: readonly VolumeNote[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** In a network of its own; absent: in the host's. */
  readonly address?: string | undefined;
  /** In this boot of the host it is ready; "": it was stopped. */
  readonly boot: string;
}

export class PodRecord {
  readonly directory: string;
  description: PodDescription;
  readonly runs: Map<string, LiveRun> = new Map<string, LiveRun>();

  constructor(directory: string, description: PodDescription) {
    this.directory = directory;
    this.description = description;
  }

  get uid(): string {
    return this.description.spec.owner.uid;
  }

  get volumes(): string {
    return join(this.directory, "volumes");
  }

  get devices(): string {
    return join(this.directory, "dev");
  }

  /** File that holds its network namespace, where it has one. */
  get network(): string {
    return join(this.directory, "network");
  }

  get resolvConf(): string {
    return join(this.directory, "resolv.conf");
  }

  runDirectory(name: string, attempt: number): string {
    if (
      !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) ||
      name.length > 63 ||
      !Number.isSafeInteger(attempt) ||
      attempt < 0
    )
      throw new VirtualKubeletError("Invalid", `"${name}" is no name of a container`);
    return join(this.directory, "containers", name, String(attempt));
  }

  async write(description: PodDescription): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    await writeWhole(join(this.directory, "sandbox.json"), JSON.stringify(description));
    this.description = description;
  }

  sandbox(boot: string, ips: readonly string[]): RuntimeSandbox {
    const { spec, revision, notes, createdAt, address } = this.description;
    const ready = this.description.boot === boot;
    return {
      ...{ owner: spec.owner, revision, ready, createdAt, notes },
      ips: !ready ? [] : address === undefined ? ips : [address],
      containers: [...this.runs.values()].map((run) => run.container()),
    };
  }
}

export function runKey(name: string, attempt: number): string {
  return `${name}/${attempt}`;
}

/** undefined: the directory is of a pod that was never made, or is half removed. */
export function readPod(directory: string): PodRecord | undefined {
  const text = readIfThere(join(directory, "sandbox.json"));
  if (text === undefined) return undefined;
  const parsed: unknown = JSON.parse(text);
  if (!isPodDescription(parsed))
    throw new VirtualKubeletError("Internal", `${directory}/sandbox.json is no description of a pod`);
  return new PodRecord(directory, parsed);
}

export function readRuns(
  directory: string,
): readonly { readonly directory: string; readonly description: RunDescription }[] {
  return names(join(directory, "containers")).flatMap((name) =>
    names(join(directory, "containers", name)).flatMap((attempt) => {
      const path = join(directory, "containers", name, attempt);
      const description = readDescription(path);
      return description === undefined ? [] : [{ directory: path, description }];
    }),
  );
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Written by us alone, whole or not at all. */
function isPodDescription(value: unknown): value is PodDescription {
  return typeof value === "object" && value !== null && "spec" in value && "volumes" in value && "boot" in value;
}

/** In place of the description of a pod that has lost its own. */
export function halfRemoved(uid: string): PodDescription {
  const owner = { cluster: "", node: "", namespace: "", name: "", uid };
  return {
    spec: {
      ...{ owner, hostname: "", hostNetwork: true, hostPID: false, hostIPC: false, shareProcessNamespace: false },
      ...{ sysctls: {}, hostPorts: [] },
    },
    ...{ revision: "", notes: {}, volumes: [], createdAt: 0, boot: "" },
  };
}
