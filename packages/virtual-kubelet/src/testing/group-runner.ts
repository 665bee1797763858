// What runs the containers behind a fake of a cloud: real ones on an engine, or simulated ones in memory. The fake decides what a
// cloud decides (order, restarts, states, books); the runner only runs. Types and docs only.
import type { ContainerIO } from "../provider/streams.ts";

export interface RunnerContainer {
  readonly name: string;
  readonly image: string;
  /** In place of the image's entrypoint. */
  readonly entrypoint?: readonly string[] | undefined;
  /** In place of the image's arguments. */
  readonly args?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Variables that have the group's address. */
  readonly addressEnv?: readonly string[] | undefined;
  readonly mounts: readonly { readonly volume: string; readonly path: string; readonly readOnly: boolean }[];
  readonly tty?: boolean | undefined;
  readonly stdin?: boolean | undefined;
  readonly user?: string | undefined;
  /** In place of TERM. */
  readonly stopSignal?: string | undefined;
  /** Bytes; beyond it the container is killed. */
  readonly memoryLimit?: number | undefined;
}

export interface RunnerGroup {
  /** Unique among the groups of the runner, of [a-z0-9-]. */
  readonly id: string;
  readonly containers: readonly RunnerContainer[];
  /** Directories, shared by the containers that mount them; with these files from the start. */
  readonly volumes: readonly {
    readonly name: string;
    readonly files?: readonly { readonly path: string; readonly mode: number; readonly data: Uint8Array }[] | undefined;
  }[];
}

/** One run of a container, or that there has been none. */
export interface RunnerState {
  readonly state: "created" | "running" | "exited";
  /** Runs begun before the present one. */
  readonly restarts: number;
  /** Epoch milliseconds. */
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly oomKilled?: boolean | undefined;
}

export interface RunnerLogLine {
  /** Epoch nanoseconds. */
  readonly time: bigint;
  readonly stream: "stdout" | "stderr";
  /** Without its line feed. */
  readonly text: string;
}

/** Figures since the container's start. */
export interface RunnerStats {
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
}

export interface RunningGroup {
  /** Reached from this machine; shared by all containers, which reach one another on localhost. */
  readonly ip: string;
  /** Begins a run: the first one, or another one when it has exited. Throws Invalid or NotFound (the image) when it cannot start. */
  start(container: string): Promise<void>;
  state(container: string): RunnerState;
  /** Resolves when the present run has ended. */
  ended(container: string): Promise<RunnerState>;
  /** TERM, and KILL after the grace (0: at once); resolves when it has ended. */
  stop(container: string, graceMs: number): Promise<void>;
  /** Runs a command in it; resolves with its exit code when it has ended and its output is written. */
  exec(container: string, command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number>;
  /** Streams of its own process, from now on, until it ends or the signal aborts. */
  attach(container: string, io: ContainerIO, signal: AbortSignal): Promise<void>;
  /** All that the present run and those before it wrote. */
  logs(container: string): Promise<readonly RunnerLogLine[]>;
  stats(container: string): Promise<RunnerStats>;
  /** Kills what runs and leaves nothing. */
  remove(): Promise<void>;
}

export interface GroupRunner extends AsyncDisposable {
  /** Makes the containers of a group, none of them started. Throws NotFound for an image that is not there. */
  create(group: RunnerGroup): Promise<RunningGroup>;
}
