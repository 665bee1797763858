// Carries a forwarded connection to a port of the pod's own IP: for providers that leave port-forward to the core.
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { VirtualKubeletError } from "../errors.ts";

const connectTimeoutMs = 10_000;

/** After the pod has said all, what the client still sends has so long, milliseconds: it may wait for the end of the whole itself. */
const lingerMs = 1000;

/**
 * Resolves when both directions have ended, or the pod's has and a moment is over: clients close theirs only then. Throws Unavailable
 * when nobody answers there.
 */
export async function forwardTcp(host: string, port: number, stream: Duplex, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const socket = await dial(host.replaceAll(/^\[|\]$/g, ""), port, signal);
  try {
    // Each direction ends by itself: a client that has said all it wants to say still reads the answer.
    const up = pipeline(stream, socket, { signal, end: true });
    const down = pipeline(socket, stream, { signal, end: true });
    await Promise.race([Promise.all([up, down]), down.then(() => sleep(lingerMs, undefined, { signal: over.signal }))]);
  } finally {
    over.abort();
    socket.destroy();
  }
}

function dial(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, signal });
  const fail = (error: Error): void => {
    socket.destroy();
    reject(new VirtualKubeletError("Unavailable", error.message, { cause: error }));
  };
  socket.once("error", fail);
  // Between the dial and whoever takes the connection over, nobody else may listen.
  socket.on("error", () => undefined);
  socket.setTimeout(connectTimeoutMs, () => fail(new Error(`no connection within ${connectTimeoutMs / 1000} s`)));
  socket.once("connect", () => {
    socket.setTimeout(0);
    socket.off("error", fail);
    resolve(socket);
  });
  return promise;
}
