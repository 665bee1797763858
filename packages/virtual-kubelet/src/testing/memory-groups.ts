// A GroupRunner in memory, for fakes of clouds: nothing runs, but it looks as if. What a container does is said by its image:
// "exit-3" ends with 3 after a moment, "missing" is not there, "stubborn" does not heed TERM, every other runs until it is stopped.
// Where its command is `sh -c` with a script of simple commands (echo, sleep, exit, true, false, cat, printf, test), that runs.
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { ContainerIO } from "../provider/streams.ts";
import type {
  GroupRunner,
  RunnerGroup,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
  RunningGroup,
} from "./group-runner.ts";
import { MemoryGroupContainer } from "./memory-group-container.ts";

export interface MemoryGroupsOptions {
  readonly clock?: Clock | undefined;
  /** Milliseconds until "exit-N" ends; default 50. */
  readonly exitAfterMs?: number | undefined;
}

export class MemoryGroups implements GroupRunner {
  readonly #clock: Clock;
  readonly #exitAfterMs: number;
  readonly #groups = new Map<string, MemoryGroup>();
  #made = 0;

  constructor({ clock = systemClock, exitAfterMs = 50 }: MemoryGroupsOptions = {}) {
    this.#clock = clock;
    this.#exitAfterMs = exitAfterMs;
  }

  /** IDs of groups that were not removed. */
  get ids(): readonly string[] {
    return [...this.#groups.keys()];
  }

  async create(group: RunnerGroup): Promise<RunningGroup> {
    if (this.#groups.has(group.id)) throw new VirtualKubeletError("Conflict", `there is a group ${group.id} already`);
    for (const { image } of group.containers)
      if (/(^|[/-])missing\b/.test(image)) throw new VirtualKubeletError("NotFound", `there is no image ${image}`);
    this.#made += 1;
    // Each has an address of its own on the loopback interface; nobody answers there.
    const ip = `127.1.${(this.#made >> 8) & 255}.${this.#made & 255}`;
    const made = new MemoryGroup(ip, group, this.#clock, this.#exitAfterMs, () => this.#groups.delete(group.id));
    this.#groups.set(group.id, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#groups.values()].map((group) => group.remove()));
  }
}

class MemoryGroup implements RunningGroup {
  readonly ip: string;
  readonly #containers: ReadonlyMap<string, MemoryGroupContainer>;
  readonly #removed: () => void;

  constructor(ip: string, group: RunnerGroup, clock: Clock, exitAfterMs: number, removed: () => void) {
    this.ip = ip;
    this.#removed = removed;
    this.#containers = new Map(
      group.containers.map(({ addressEnv = [], ...spec }) => [
        spec.name,
        new MemoryGroupContainer({
          spec: { ...spec, env: { ...spec.env, ...Object.fromEntries(addressEnv.map((name) => [name, ip])) } },
          volumes: group.volumes,
          hostname: group.id,
          clock,
          exitAfterMs,
        }),
      ]),
    );
  }

  async start(container: string): Promise<void> {
    this.#of(container).start();
  }

  state(container: string): RunnerState {
    return this.#of(container).state;
  }

  async ended(container: string): Promise<RunnerState> {
    return await this.#of(container).ended();
  }

  async stop(container: string, graceMs: number): Promise<void> {
    const found = this.#of(container);
    found.stop(graceMs);
    if (found.state.state === "running") await found.ended();
  }

  async exec(container: string, command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    return await this.#of(container).exec(command, io, signal);
  }

  async attach(container: string, io: ContainerIO, signal: AbortSignal): Promise<void> {
    await this.#of(container).attach(io, signal);
  }

  async logs(container: string): Promise<readonly RunnerLogLine[]> {
    return [...this.#of(container).lines];
  }

  async stats(container: string): Promise<RunnerStats> {
    return this.#of(container).stats();
  }

  async remove(): Promise<void> {
    for (const container of this.#containers.values()) container.remove();
    this.#removed();
  }

  #of(name: string): MemoryGroupContainer {
    const found = this.#containers.get(name);
    if (found === undefined) throw new VirtualKubeletError("NotFound", `there is no container ${name}`);
    return found;
  }
}
