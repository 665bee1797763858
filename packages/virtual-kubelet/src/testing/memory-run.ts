// One run of a container in memory: a script that runs, ends and heeds TERM as told, in the time of a Clock.
import type { Clock } from "../clock.ts";
import type { ContainerSpec, RuntimeContainer, RuntimeSandbox, SandboxSpec } from "../engine/container-runtime.ts";
import { VirtualKubeletError } from "../errors.ts";

/** What one run of a container does. */
export interface RunScript {
  /** Ends by itself so long after its start; absent: never. */
  readonly exitAfterMs?: number | undefined;
  /** Default 0. */
  readonly exitCode?: number | undefined;
  /** Ends so long after TERM; Infinity: never. Default at once. */
  readonly termMs?: number | undefined;
  /** Of an end by TERM; default 143. */
  readonly termExitCode?: number | undefined;
  readonly terminationMessage?: string | undefined;
  readonly log?: string | undefined;
}

export interface MemoryRunOptions {
  readonly clock: Clock;
  readonly spec: ContainerSpec;
  readonly facts: RuntimeContainer;
  readonly script: RunScript;
  readonly happened: (
    what: "term" | "kill" | "exit",
    more?: { readonly exitCode?: number; readonly graceSeconds?: number; readonly signal?: string },
  ) => void;
}

export class MemoryRun {
  readonly spec: ContainerSpec;
  readonly script: RunScript;
  facts: RuntimeContainer;
  readonly #options: MemoryRunOptions;
  readonly #waiters: (() => void)[] = [];
  #cancel: () => void = () => {};
  #killAt: number = Number.POSITIVE_INFINITY;
  #cancelKill: () => void = () => {};

  constructor(options: MemoryRunOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.script = options.script;
    this.facts = options.facts;
  }

  start(): void {
    const { clock } = this.#options;
    this.facts = { ...this.facts, state: "running", startedAt: clock.now() };
    const { exitAfterMs, exitCode = 0 } = this.script;
    if (exitAfterMs !== undefined) this.#cancel = clock.schedule(exitAfterMs, () => this.end(exitCode));
  }

  /** TERM or `signal`, once; KILL after the shortest grace that was said. */
  terminate(graceSeconds: number, signal?: string): void {
    if (this.facts.state !== "running") return;
    if (graceSeconds <= 0) {
      this.kill();
      return;
    }
    const { clock, happened } = this.#options;
    if (this.#killAt === Number.POSITIVE_INFINITY) {
      happened("term", { graceSeconds, ...(signal !== undefined && { signal }) });
      const { termMs = 0, termExitCode = 143 } = this.script;
      if (Number.isFinite(termMs)) {
        this.#cancel();
        this.#cancel = clock.schedule(termMs, () => this.end(termExitCode));
      }
    }
    const killAt = clock.now() + graceSeconds * 1000;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    this.#cancelKill();
    this.#cancelKill = clock.schedule(graceSeconds * 1000, () => this.kill());
  }

  kill(): void {
    if (this.facts.state !== "running") return;
    this.#options.happened("kill");
    this.end(137);
  }

  /** Ends it, if it runs. */
  end(exitCode: number, more: { readonly reason?: string; readonly signal?: number } = {}): void {
    if (this.facts.state !== "running") return;
    this.#cancel();
    this.#cancelKill();
    this.facts = { ...this.facts, ...more, state: "exited", exitCode, finishedAt: this.#options.clock.now() };
    this.#options.happened("exit", { exitCode });
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Resolves once it does not run; throws Aborted when the signal aborts. */
  async ended(signal: AbortSignal): Promise<void> {
    if (this.facts.state !== "running") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push(resolve);
    const abort = (): void => reject(VirtualKubeletError.from(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    await promise.finally(() => signal.removeEventListener("abort", abort));
  }
}

/** Of an image, as good as any. */
export function digestOf(image: string): string {
  return `${image}@sha256:0`;
}

export async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  if (data.length > 0) yield data;
}

export interface MemorySandbox {
  spec: SandboxSpec;
  facts: Omit<RuntimeSandbox, "containers">;
  readonly runs: Map<string, MemoryRun>;
}

export function shown({ facts, runs }: MemorySandbox): RuntimeSandbox {
  return { ...facts, containers: [...runs.values()].map((run) => run.facts) };
}
