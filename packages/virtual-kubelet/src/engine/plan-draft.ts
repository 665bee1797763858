// A plan while it is being made: what to remember first, the tasks wanted, what to tell, and when to look again.
import type { PodMemory, RunMemory } from "./pod-memory.ts";
import { withRun } from "./pod-memory.ts";
import type { Task } from "./task.ts";

export interface EngineEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly container?: string | undefined;
  /** Not told again while it is the same for this kind of event; absent: told each time. */
  readonly once?: string | undefined;
}

export interface PodPlan {
  /** Written on the backend, where it differs from what is there, before anything else is done. */
  readonly memory: PodMemory;
  /** Tasks that are to be under way; others that can be ended are ended. */
  readonly tasks: readonly Task[];
  /** Keys of tasks that may go on, whatever they are. */
  readonly kept: ReadonlySet<string>;
  readonly events: readonly EngineEvent[];
  /** Epoch milliseconds; not in the future: at once. */
  readonly lookAt: number | undefined;
}

export class PlanDraft {
  memory: PodMemory;
  readonly #tasks: Task[] = [];
  readonly #kept = new Set<string>();
  readonly #events: EngineEvent[] = [];
  #lookAt: number | undefined;

  constructor(memory: PodMemory) {
    this.memory = memory;
  }

  want(task: Task): void {
    this.#tasks.push(task);
  }

  keep(key: string): void {
    this.#kept.add(key);
  }

  tell(event: EngineEvent): void {
    this.#events.push(event);
  }

  lookAt(at: number): void {
    this.#lookAt = Math.min(this.#lookAt ?? at, at);
  }

  remember(name: string, attempt: number, change: Partial<RunMemory>): void {
    this.memory = withRun(this.memory, name, attempt, change);
  }

  finished(): PodPlan {
    return {
      memory: this.memory,
      tasks: this.#tasks,
      kept: this.#kept,
      events: this.#events,
      lookAt: this.#lookAt,
    };
  }
}
