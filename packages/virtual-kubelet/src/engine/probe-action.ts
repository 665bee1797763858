// One look into a container, by whichever handler its probe has. For any provider: what it takes is a RunTarget.
import { type Clock, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Probe } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import { hostOf, portOf } from "./probe-address.ts";
import { expandCommand } from "./probe-command.ts";
import { Deadline } from "./probe-deadline.ts";
import { execProbe } from "./probe-exec.ts";
import { grpcProbe } from "./probe-grpc.ts";
import { httpProbe } from "./probe-http.ts";
import { httpGetRequest } from "./probe-http-request.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { RunTarget } from "./probe-results.ts";
import { probeRules } from "./probe-state.ts";
import { tcpProbe } from "./probe-tcp.ts";

export interface ProbeContext {
  /** Aborted when nobody wants to know any more. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Of HTTP and gRPC handlers: see `userAgent`. */
  readonly userAgent: string;
  readonly clock?: Clock | undefined;
}

/** Carries out a probe once. Throws nothing but Aborted. */
export type ProbeAction = (probe: Probe, target: RunTarget, context: ProbeContext) => Promise<ProbeOutcome>;

/** In its timeoutSeconds (default 1): when it resolves, all its connections are closed. */
export const runProbe: ProbeAction = async (probe, target, context) => {
  const { timeoutMs } = probeRules(probe);
  using deadline = new Deadline(context.clock ?? systemClock, timeoutMs, context.signal);
  deadline.throwIfAborted();
  const { exec, grpc, httpGet, tcpSocket } = probe;
  const { log, userAgent } = context;
  try {
    if (exec !== undefined) {
      const command = expandCommand(exec.command ?? [], target.container);
      return await execProbe(command, target, timeoutMs, deadline, log);
    }
    if (httpGet !== undefined) return await httpProbe(httpGetRequest(httpGet, target, userAgent), deadline);
    if (tcpSocket !== undefined) {
      const port = portOf(tcpSocket.port, target);
      return await tcpProbe(hostOf(tcpSocket.host, target), port, deadline);
    }
    if (grpc !== undefined) {
      const { port, service = "" } = grpc;
      const host = hostOf(undefined, target);
      return await grpcProbe({ host, port: portOf(port, target), service, userAgent, timeoutMs }, deadline);
    }
    const { name, namespace, uid } = target.owner;
    throw new VirtualKubeletError(
      "Invalid",
      `missing probe handler for ${name}_${namespace}(${uid}):${target.container.name}`,
    );
  } catch (error) {
    deadline.throwIfAborted();
    return { type: "error", state: "unknown", message: errorText(error) };
  }
};

const mostTries = 3;

/** Tries again, at once, when the look itself failed. */
export async function runProbeTries(
  probe: Probe,
  target: RunTarget,
  context: ProbeContext,
  action: ProbeAction = runProbe,
): Promise<ProbeOutcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await action(probe, target, context);
    if (outcome.type !== "error" || tries >= mostTries) return outcome;
  }
}
