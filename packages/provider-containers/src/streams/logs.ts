// A container's log: from Podman's own file where it is on this machine, which alone has times to the nanosecond; else by the API.
import { access, constants } from "node:fs/promises";
import {
  type CallContext,
  type ContainerLogOptions,
  type ContainerLogs,
  isErrorKind,
} from "@virtual-kubelet/virtual-kubelet";
import type { ContainerDetails, EngineClient } from "../engine/engine-client.ts";
import { CriLines } from "./log-cri.ts";
import { readLogFile } from "./log-file.ts";

/** How often, at most, the engine is asked whether a container still runs whose log is followed. */
const askMs = 1000;

export async function readContainerLog(
  client: EngineClient,
  details: ContainerDetails,
  options: ContainerLogOptions,
  { signal }: CallContext,
): Promise<ContainerLogs> {
  const follow = options.follow === true;
  const isRunning = runningCheck(client, details, signal);
  const data =
    details.logDriver === "k8s-file" && client.address.type === "unix" && (await isReadable(details.logPath))
      ? readLogFile(details.logPath, { follow, signal, isRunning })
      : apiLines(client, details, follow, signal);
  return { format: "cri", data, applied: ["follow"] };
}

/** Its process on this machine says at once that it is gone; the engine says so for good. */
function runningCheck(
  client: EngineClient,
  { id, pid }: ContainerDetails,
  signal: AbortSignal,
): () => Promise<boolean> {
  let askedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (pid > 0 && exists(pid) && performance.now() - askedAt < askMs) return true;
    askedAt = performance.now();
    try {
      return (await client.inspectContainer(id, { signal })).running;
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Aborted")) return false;
      // The engine may be away for a moment; the file goes on.
      if (isErrorKind(error, "Unavailable")) return true;
      throw error;
    }
  };
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function* apiLines(
  client: EngineClient,
  { id, tty }: ContainerDetails,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, undefined> {
  const lines = new CriLines();
  for await (const piece of client.logs(id, { follow, tty }, { signal })) {
    const whole = lines.feed(piece);
    if (whole.length > 0) yield whole;
  }
  const rest = lines.end();
  if (rest.length > 0) yield rest;
  return undefined;
}

async function isReadable(path: string): Promise<boolean> {
  if (path === "") return false;
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
