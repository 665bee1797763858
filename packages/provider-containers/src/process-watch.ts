// Notices that a container's first process has gone where it is one of this host: engines tell of it late (Podman reads its own
// events four times a second).

const everyMs = 50;
/** So many looks in a row tell that one is gone; after them, while nobody can say more of it (the engine is away), one in so many. */
const eagerLooks = 20;
const laterEvery = 40;

export class ProcessWatch {
  readonly #gone: (id: string) => void;
  readonly #pids = new Map<string, { readonly pid: number; gone: number }>();
  #timer: NodeJS.Timeout | undefined;

  /** `gone` is called again and again, after a second less often, until it is told otherwise. */
  constructor(gone: (id: string) => void) {
    this.#gone = gone;
  }

  /** 0: it does not run. */
  keep(id: string, pid: number): void {
    // What is not there at all is no process of this host.
    if (pid <= 0 || !isThere(pid)) {
      this.forget(id);
      return;
    }
    if (this.#pids.get(id)?.pid !== pid) this.#pids.set(id, { pid, gone: 0 });
    this.#timer ??= setInterval(() => this.#look(), everyMs).unref();
  }

  forget(id: string): void {
    this.#pids.delete(id);
    if (this.#pids.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    for (const [id, watched] of this.#pids) {
      if (isThere(watched.pid)) continue;
      const looks = watched.gone++;
      if (looks < eagerLooks || looks % laterEvery === 0) this.#gone(id);
    }
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
