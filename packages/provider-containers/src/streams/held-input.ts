// Keeps the standard input of containers open that is not for one client alone. Podman ends it with the first client that leaves:
// another writer of the same pipe, on the same machine, prevents that for as long as this program runs.
import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { ContainerDetails } from "../engine/engine-client.ts";
import { isOfContainer } from "./exec-kill.ts";

/** How often is looked for containers that have ended. */
const sweepMs = 10_000;

interface HeldInput {
  readonly pipe: string;
  readonly pid: number;
  readonly socket: Socket;
}

const held = new Map<string, HeldInput>();
let sweep: NodeJS.Timeout | undefined;

/** The container's input, which is not to be ended; undefined where it is no pipe of this machine. */
export function holdInput({ id, pid }: ContainerDetails): Writable | undefined {
  // By now the pid may be another's.
  const pipe = isOfContainer(pid, id) ? pipeOf(pid) : undefined;
  const there = held.get(id);
  if (there !== undefined && there.pipe === pipe && !there.socket.destroyed) return there.socket;
  there?.socket.destroy();
  held.delete(id);
  if (pipe === undefined) return undefined;
  try {
    const fd = openSync(`/proc/${pid}/fd/0`, constants.O_WRONLY | constants.O_NONBLOCK);
    // A container can put a file in its place that it may read alone.
    if (!fstatSync(fd).isFIFO()) {
      closeSync(fd);
      return undefined;
    }
    const socket = new Socket({ fd, readable: false, writable: true });
    socket.unref();
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      if (held.get(id)?.socket === socket) held.delete(id);
    });
    held.set(id, { pipe, pid, socket });
    sweep ??= setInterval(sweepEnded, sweepMs).unref();
    return socket;
  } catch {
    // It has ended meanwhile, or we may not.
    return undefined;
  }
}

function sweepEnded(): void {
  for (const [id, { pipe, pid, socket }] of held) {
    if (pipeOf(pid) === pipe) continue;
    held.delete(id);
    socket.destroy();
  }
  if (held.size > 0) return;
  clearInterval(sweep);
  sweep = undefined;
}

function pipeOf(pid: number): string | undefined {
  try {
    const target = pid > 0 ? readlinkSync(`/proc/${pid}/fd/0`) : "";
    return target.startsWith("pipe:") ? target : undefined;
  } catch {
    return undefined;
  }
}
