// A GroupRunner of plain processes of this machine, as the driver raw_exec runs tasks: each has a directory of its own, images and mounts
// mean nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ContainerIO, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type {
  GroupRunner,
  RunnerGroup,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
  RunningGroup,
} from "@virtual-kubelet/virtual-kubelet/testing";
import { HostProcess } from "./host-process.ts";

/** What a task left behind was killed with it, and may have been about to write. */
const removal = { recursive: true, force: true, maxRetries: 5 };

export class ProcessGroups implements GroupRunner {
  readonly #root: string = mkdtempSync(join(tmpdir(), "virtual-kubelet-nomad-"));
  readonly #groups = new Map<string, ProcessGroup>();

  /** Of a volume of a group. */
  directory(group: string, volume: string): string {
    return join(this.#root, group, volume);
  }

  /** Below the directory of a group. */
  write(group: string, { path, mode, data }: { path: string; mode: number; data: Uint8Array }): void {
    const file = this.directory(group, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, data, { mode });
  }

  /** All that a task wrote; undefined: it is not one of these. */
  output(group: string, task: string, stream: "stdout" | "stderr"): Buffer | undefined {
    return this.#groups.get(group)?.output(task, stream);
  }

  async create(group: RunnerGroup): Promise<RunningGroup> {
    if (this.#groups.has(group.id)) throw new VirtualKubeletError("Conflict", `there is a group ${group.id} already`);
    for (const { name, files = [] } of group.volumes) {
      mkdirSync(this.directory(group.id, name), { recursive: true });
      for (const { path, mode, data } of files) this.write(group.id, { path: join(name, path), mode, data });
    }
    const processes = new Map<string, HostProcess>();
    for (const spec of group.containers) {
      const directory = this.directory(group.id, spec.name);
      mkdirSync(directory, { recursive: true });
      processes.set(spec.name, new HostProcess(spec, directory));
    }
    const made = new ProcessGroup(processes, () => {
      this.#groups.delete(group.id);
      rmSync(join(this.#root, group.id), removal);
    });
    this.#groups.set(group.id, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.remove()));
    rmSync(this.#root, removal);
  }
}

class ProcessGroup implements RunningGroup {
  readonly ip = "127.0.0.1";
  readonly #processes: ReadonlyMap<string, HostProcess>;
  readonly #removed: () => void;

  constructor(processes: ReadonlyMap<string, HostProcess>, removed: () => void) {
    this.#processes = processes;
    this.#removed = removed;
  }

  output(container: string, stream: "stdout" | "stderr"): Buffer {
    return Buffer.concat(this.#of(container).output[stream]);
  }

  async start(container: string): Promise<void> {
    await this.#of(container).start();
  }

  state(container: string): RunnerState {
    return this.#of(container).state;
  }

  async ended(container: string): Promise<RunnerState> {
    return await this.#of(container).ended();
  }

  async stop(container: string, graceMs: number): Promise<void> {
    await this.#of(container).stop(graceMs);
  }

  async exec(container: string, command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    return await this.#of(container).exec(command, io, signal);
  }

  async attach(): Promise<void> {
    throw new VirtualKubeletError("Unsupported", "nobody attaches to a task of Nomad");
  }

  async logs(container: string): Promise<readonly RunnerLogLine[]> {
    return [...this.#of(container).lines];
  }

  async stats(container: string): Promise<RunnerStats> {
    return this.#of(container).stats();
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((each) => each.stop(0)));
    this.#removed();
  }

  #of(name: string): HostProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new VirtualKubeletError("NotFound", `there is no task ${name}`);
    return found;
  }
}
