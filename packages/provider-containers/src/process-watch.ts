// Notices that a container's first process has gone where it is one of this host: engines tell of it late (Podman reads its own
// events four times a second).

const everyMs = 50;

export class ProcessWatch {
  readonly #gone: (id: string) => void;
  readonly #pids = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  /** `gone` is called again and again until it is told otherwise. */
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
    this.#pids.set(id, pid);
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
    for (const [id, pid] of this.#pids) if (!isThere(pid)) this.#gone(id);
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
