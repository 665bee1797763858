// Processes that the kernel killed for want of memory, as its log tells: the one place where that stays when the process and its
// control group are gone. Read without waiting, from the oldest record that the kernel still has.
import { closeSync, constants, openSync, readSync } from "node:fs";

export interface Kill {
  /** Epoch milliseconds. */
  readonly at: number;
  /** On the host. */
  readonly pid: number;
  /** Of its control group, where the kernel said so: after many kills in a short time it says no more than the pid. */
  readonly group: string | undefined;
}

/** Of the last ones. */
const kept = 1000;
/** The kernel cuts records at less. */
const longestRecord = 8192;

export class KernelLog {
  readonly #fd: number;
  readonly #bootedAt: number;
  readonly #buffer: Uint8Array = new Uint8Array(longestRecord);
  #kills: Kill[] = [];
  #closed = false;

  private constructor(fd: number, bootedAt: number) {
    this.#fd = fd;
    this.#bootedAt = bootedAt;
  }

  /** undefined where we may not read it. `bootedAt` in epoch milliseconds: the records' times count from there. */
  static open(bootedAt: number, path: string = "/dev/kmsg"): KernelLog | undefined {
    try {
      return new KernelLog(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), bootedAt);
    } catch {
      return undefined;
    }
  }

  /** All that the log had, up to now. */
  kills(): readonly Kill[] {
    for (let record = this.#next(); record !== undefined; record = this.#next()) {
      const kill = parseKill(record, this.#bootedAt);
      if (kill !== undefined) this.#kills = merged(this.#kills, kill).slice(-kept);
    }
    return this.#kills;
  }

  close(): void {
    this.#closed = true;
    closeSync(this.#fd);
  }

  /** One record a call; "" for one that is lost, undefined at the end. */
  #next(): string | undefined {
    if (this.#closed) return undefined;
    try {
      const length = readSync(this.#fd, this.#buffer);
      return length === 0 ? undefined : new TextDecoder().decode(this.#buffer.subarray(0, length));
    } catch (error) {
      // It was overwritten before we came to it.
      if (error instanceof Error && "code" in error && error.code === "EPIPE") return "";
      // EAGAIN: there is no more.
      return undefined;
    }
  }
}

/** Pure: of one record, "priority,sequence,microseconds,flags;text". */
export function parseKill(record: string, bootedAt: number): Kill | undefined {
  const [, microseconds, text = ""] = /^\d+,\d+,(\d+),[^;]*;(.*)/.exec(record) ?? [];
  // A process can write to the log too, but not as the kernel: those records have another facility.
  const priority = Number.parseInt(record, 10);
  if (microseconds === undefined || priority >= 8) return undefined;
  const at = bootedAt + Number(microseconds) / 1000;
  const [, group, groupPid] = /^oom-kill:.*?,task_memcg=([^,]*),task=.*,pid=(\d+),uid=\d+$/.exec(text) ?? [];
  if (group !== undefined) return { at, pid: Number(groupPid), group };
  const [, pid] = /ut of memory.*: Killed process (\d+) \(/.exec(text) ?? [];
  return pid === undefined ? undefined : { at, pid: Number(pid), group: undefined };
}

/** The kernel says it in two records. */
function merged(kills: readonly Kill[], next: Kill): Kill[] {
  const last = kills.at(-1);
  const same = last !== undefined && last.pid === next.pid && Math.abs(next.at - last.at) < 1000;
  return same ? [...kills.slice(0, -1), { ...next, group: next.group ?? last.group }] : [...kills, next];
}
