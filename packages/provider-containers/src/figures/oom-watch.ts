// Whether a container ended because memory ran out. The engine's word goes first; where it does not notice (Podman on version 1
// of control groups never does), the kernel's log tells.
import type { ContainerDetails } from "../engine/engine-client.ts";
import type { Kill } from "./kernel-log.ts";

/** Killed by KILL, or a shell whose command was. */
const killedCode = 137;
/** From the kill to the end that the engine noted, where what was killed is not known to be its main process. */
const promptMs = 2000;
/** Those looked at longest ago are forgotten. */
const kept = 5000;

export class OomWatch {
  readonly #kills: () => readonly Kill[];
  /** Main process by container id. */
  readonly #mains = new Map<string, number>();

  constructor(kills: () => readonly Kill[]) {
    this.#kills = kills;
  }

  /** To be asked whenever one was looked at, while it runs and when it has ended. */
  hasKilled(container: ContainerDetails): boolean {
    const { id, pid, running } = container;
    if (running) {
      if (pid > 0) this.#remember(id, pid);
      return false;
    }
    if (container.oomKilled) return true;
    if (container.exitCode !== killedCode || container.startedAt === undefined) return false;
    return this.#kills().some((kill) => isItsEnd(kill, container, this.#mains.get(id)));
  }

  #remember(id: string, pid: number): void {
    this.#mains.delete(id);
    this.#mains.set(id, pid);
    for (const oldest of this.#mains.keys()) {
      if (this.#mains.size <= kept) break;
      this.#mains.delete(oldest);
    }
  }
}

/** Pure. A child's death is the container's end only if that followed at once. */
function isItsEnd(
  kill: Kill,
  {
    id,
    startedAt = 0,
    finishedAt = Number.POSITIVE_INFINITY,
  }: Pick<ContainerDetails, "id" | "startedAt" | "finishedAt">,
  main: number | undefined,
): boolean {
  // Clocks of kernel and engine differ by moments. A pid can have been another's before.
  if (kill.at < startedAt - promptMs || kill.at > finishedAt + promptMs) return false;
  if (kill.pid === main) return kill.group === undefined || kill.group.includes(id);
  return kill.group?.includes(id) === true && finishedAt - kill.at < promptMs;
}
