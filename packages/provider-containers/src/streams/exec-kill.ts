// Ends a command that nobody waits for any more. No engine has a call for it: its process is killed, with its children, where it
// is on this machine and, by its control group, certainly the container's.
import { readFileSync } from "node:fs";
import { descendants, signalProcess } from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineClient } from "../engine/engine-client.ts";

/** For the engine to tell which process it is. */
const askingMs = 5000;

export async function killExec(client: EngineClient, containerId: string, execId: string): Promise<void> {
  if (client.address.type !== "unix") return;
  try {
    const { running, pid } = await client.inspectExec(execId, { signal: AbortSignal.timeout(askingMs) });
    if (!running || pid <= 1) return;
    for (const each of [pid, ...descendants(pid).map((process) => process.pid)])
      if (isOfContainer(each, containerId)) signalProcess(each, "SIGKILL");
  } catch {
    // Gone with its container, or the engine is: nothing more can be done from here.
  }
}

/** Control groups are called by the container's id, whatever manages them. */
export function isOfContainer(pid: number, containerId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "latin1").includes(containerId);
  } catch {
    return false;
  }
}
