// CPU and memory of a process, as the kernel counts them (Linux).
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

const ticksPerSecond = 100;

export class ProcessMeter {
  readonly #pid: number;
  #before = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Meters of the running processes with these names whose command line names `directory`. */
  static byName(directory: string, names: readonly string[]): readonly ProcessMeter[] {
    const meters: ProcessMeter[] = [];
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const command = read(`/proc/${pid}/cmdline`).split("\0");
      const isNamed = names.some((name) => command[0]?.endsWith(`/${name}`) === true);
      if (isNamed && command.some((argument) => argument.includes(directory)))
        meters.push(new ProcessMeter(Number(pid)));
    }
    return meters;
  }

  /** User and system time so far. */
  cpuSeconds(): number {
    const fields = read(`/proc/${this.#pid}/stat`).split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
  }

  residentMiB(): number {
    return this.#status("VmRSS");
  }

  start(): void {
    this.#before = this.cpuSeconds();
  }

  /** CPU since start(); peak memory of the whole life. */
  stop(): ProcessFigures {
    return { cpuSeconds: this.cpuSeconds() - this.#before, peakMiB: this.#status("VmHWM") };
  }

  #status(field: string): number {
    const line = read(`/proc/${this.#pid}/status`)
      .split("\n")
      .find((text) => text.startsWith(`${field}:`));
    return Number(/\d+/.exec(line ?? "")?.[0] ?? 0) / 1024;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
