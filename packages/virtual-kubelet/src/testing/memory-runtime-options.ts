// What tests tell a runtime in memory, and what it tells them. Types only.
import type { Clock } from "../clock.ts";
import type { ContainerRef, ContainerSpec, PulledImage } from "../engine/container-runtime.ts";
import type { ResourceRequirements } from "../kube/types.gen.ts";
import type { ContainerIO, ExecResult } from "../provider/streams.ts";
import type { ImageCredential } from "../resolved-pod.ts";
import type { PodStats } from "../stats-summary.ts";
import type { RunScript } from "./memory-run.ts";

export interface JournalDetail {
  readonly exitCode?: number;
  readonly graceSeconds?: number;
  readonly signal?: string;
}

export interface JournalEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly what:
    | ("sandbox" | "sandboxStopped" | "sandboxRemoved" | "create" | "start" | "term" | "kill" | "exit" | "remove")
    | ("pull" | "exec" | "resize" | "volumes");
  readonly podUid: string;
  /** Of what concerns a container; for pulls the image. */
  readonly name: string;
  readonly attempt: number;
  readonly exitCode?: number | undefined;
  readonly graceSeconds?: number | undefined;
  /** Absent: TERM. */
  readonly signal?: string | undefined;
}

export interface MemoryRuntimeOptions {
  readonly clock: Clock;
  readonly script?: ((spec: ContainerSpec) => RunScript) | undefined;
  /** Images that are here; absent: all. */
  readonly images?: Set<string> | undefined;
  /** What a pull does before the image is here, and what is told of it; throws. */
  readonly pull?:
    | ((image: string, credentials: readonly ImageCredential[]) => Promise<Partial<PulledImage> | undefined>)
    | undefined;
  /** Absent: every pod may use every image. */
  readonly mayUse?: ((image: string, credentials: readonly ImageCredential[]) => boolean) | undefined;
  /** Around each call: to hold it, to fail it before or after its work. */
  readonly around?: (<T>(call: string, work: () => T) => Promise<T>) | undefined;
  readonly exec?: ((ref: ContainerRef, command: readonly string[], io: ContainerIO) => Promise<ExecResult>) | undefined;
  /** Bytes that the containers of a pod use, each; default 1 MiB. */
  readonly memoryOf?: ((podUid: string) => number) | undefined;
  /** What pods use of the disk. */
  readonly storageOf?: ((podUid: string) => Pick<PodStats, "volume" | "ephemeral-storage">) | undefined;
  /** What goes of the disk before pods do; bytes. */
  readonly freeDisk?: (() => number) | undefined;
  /** What containers have written, by "volume/path": in the volumes of every pod. */
  readonly volumeFiles?: ReadonlyMap<string, string> | undefined;
  /** Throws for what it cannot resize; absent: all can be. */
  readonly resize?: ((ref: ContainerRef, resources: ResourceRequirements) => void) | undefined;
}
