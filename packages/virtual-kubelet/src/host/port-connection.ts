// Carries one connection to a port of a pod: of this host, where it is in its network, or else of the pod's address.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { VirtualKubeletError } from "../errors.ts";

/** Resolves when both directions have ended; throws Unavailable when nobody listens. */
export async function connectPort(host: string, port: number, connection: Duplex, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const socket = connect({ host, port, allowHalfOpen: true, autoSelectFamily: true });
  try {
    await once(socket, "connect", { signal });
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    throw new VirtualKubeletError("Unavailable", `nothing accepts connections at port ${port}`, { cause });
  }
  await carryConnection(socket, connection, signal);
}

/** Both ways, until both have ended or the signal aborts. The socket must allow half-open connections. */
export async function carryConnection(socket: Socket, connection: Duplex, signal: AbortSignal): Promise<void> {
  const closed = Promise.all([
    once(socket, "close"),
    new Promise<void>((resolve) => connection.once("close", () => resolve())),
  ]);
  closed.catch(() => {});
  const stop = (): void => {
    socket.destroy();
    connection.destroy();
  };
  const broken = new Promise<void>((resolve) => {
    for (const stream of [socket, connection]) {
      stream.once("error", () => {
        stop();
        resolve();
      });
      stream.once("close", () => {
        if (!stream.readableEnded || !stream.writableFinished) stop();
      });
    }
    signal.addEventListener("abort", () => {
      stop();
      resolve();
    });
  });
  const ended = Promise.all(
    [socket, connection].map((stream) => new Promise<void>((resolve) => stream.once("end", () => resolve()))),
  );
  socket.pipe(connection);
  connection.pipe(socket);
  await Promise.race([ended, broken, closed]);
  signal.throwIfAborted();
}
