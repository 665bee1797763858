// Can a TCP connection be opened? Nothing is sent over it.
import { connect } from "node:net";
import type { Deadline } from "./probe-deadline.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import { hostPort, socketErrorText } from "./probe-text.ts";

/** Throws nothing but Aborted. */
export async function tcpProbe(host: string, port: number, deadline: Deadline): Promise<ProbeOutcome> {
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome | undefined>();
  const socket = connect({ host, port });
  socket.once("connect", () => resolve({ type: "success" }));
  socket.on("error", (error) => resolve({ type: "failure", output: socketErrorText(error, host, port) }));
  try {
    const outcome = await deadline.race(promise);
    deadline.throwIfAborted();
    return outcome ?? { type: "failure", output: `dial tcp ${hostPort(host, port)}: i/o timeout` };
  } finally {
    socket.destroy();
  }
}
