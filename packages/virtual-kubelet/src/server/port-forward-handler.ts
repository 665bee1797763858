// Port-forward: each connection of the wire carried to the provider, or to the pod's IP, and what failed told in words.
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodTarget } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { ForwardedConnection } from "../streaming/port-forward.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import { audit, forwardedFor } from "./audit.ts";
import { podTarget, reportOf } from "./container-target.ts";
import type { ServedNode } from "./served-node.ts";
import type { StreamHandler } from "./stream-call.ts";
import { accepted, type StreamEnvironment, trafficOf } from "./stream-environment.ts";
import { forwardTcp } from "./tcp-forward.ts";
import { wireOf } from "./wires.ts";

/** In the audit line. */
const mostPortsTold = 32;

/** Carries one connection; resolves when both directions have ended. */
type Forward = (connection: ForwardedConnection, context: CallContext) => Promise<void>;

export function portForwardHandler(environment: StreamEnvironment): StreamHandler {
  return async (call) => {
    const { node, upgrade, pattern, query, user, remoteAddress } = call;
    const pod = podTarget(node, call.params);
    const forward = await forwarder(node, pod, call);
    if (upgrade === undefined) throw new UpgradeRefusal(400, "Upgrade request required");
    const wire = wireOf(environment.wires, upgrade.request);
    const { request, socket, head } = upgrade;
    const opened = await accepted(call, () => wire.portForward(request, socket, head, query, environment.limits));
    if (opened === undefined) return;
    const session = environment.sessions.open({ node, pod, pattern });
    const { name, uid } = node.ownerOf(pod);
    const subject = { action: "port-forward", user, uid, remoteAddress } as const;
    const ended = audit(
      call.log,
      { ...subject, protocol: wire.name, ...forwardedFor(call.headers) },
      environment.auditArguments,
    );
    const before = trafficOf(socket);
    const stop = AbortSignal.any([call.signal, opened.signal, session.signal]);
    const context = { signal: stop, log: call.log };
    const close = (): void => {
      opened.close().catch((error: unknown) => call.log.debug({ err: error }, "a port-forward did not close in order"));
    };
    stop.addEventListener("abort", close, { once: true });
    const open = new Set<Promise<void>>();
    const ports = new Set<number>();
    let count = 0;
    let failed = 0;
    let outcome = "the client has closed it";
    try {
      if (stop.aborted) close();
      for await (const connection of opened.connections) {
        connection.stream.on("error", () => undefined);
        if (open.size >= environment.forwardedConnections) {
          connection.fail(`${failureText(connection.port, name)}too many connections at the same time`);
          failed++;
          continue;
        }
        count++;
        if (ports.size < mostPortsTold) ports.add(connection.port);
        const carrying = carry(forward, connection, context, name).then((ok) => {
          open.delete(carrying);
          if (!ok) failed++;
        });
        open.add(carrying);
      }
      if (session.signal.aborted || call.signal.aborted) outcome = errorText(stop.reason);
    } catch (error) {
      outcome = errorText(error);
    } finally {
      session.close();
      stop.removeEventListener("abort", close);
      await Promise.all([opened.close(), orAborted(Promise.all(open), stop)]).catch((error: unknown) =>
        call.log.debug({ err: error }, "a port-forward did not close in order"),
      );
      const after = trafficOf(socket);
      const [bytesIn, bytesOut] = [after.bytesIn - before.bytesIn, after.bytesOut - before.bytesOut];
      ended({ outcome: `${outcome}; ${count} connections, ${failed} failed`, ports: [...ports], bytesIn, bytesOut });
    }
  };
}

/** The provider's, or a dial of the IP that the backend reports: not the status, which others may write. */
async function forwarder(node: ServedNode, pod: Stored<Pod>, context: CallContext): Promise<Forward> {
  const target: PodTarget = { owner: node.ownerOf(pod), pod };
  const { portForward } = node.provider;
  if (portForward !== undefined)
    return ({ port, stream }, within) => portForward.call(node.provider, target, port, stream, within);
  const { podIPs: [address] = [] } = await reportOf(node, pod, context);
  if (address === undefined) throw new VirtualKubeletError("Unavailable", "the pod has no IP");
  return ({ port, stream }, { signal }) => forwardTcp(address, port, stream, signal);
}

/** False: it failed, and the client was told. */
async function carry(
  forward: Forward,
  connection: ForwardedConnection,
  context: CallContext,
  pod: string,
): Promise<boolean> {
  const { port, stream } = connection;
  // The client that resets one connection ends the work for that one alone.
  const reset = new AbortController();
  stream.once("close", () => {
    if (!stream.readableEnded || !stream.writableFinished) reset.abort();
  });
  try {
    await forward(connection, { ...context, signal: AbortSignal.any([context.signal, reset.signal]) });
    connection.done();
    return true;
  } catch (error) {
    if (reset.signal.aborted || context.signal.aborted) {
      stream.destroy();
      // kubectl resets what the pod has ended, and waits until it hears that all went well.
      if (!context.signal.aborted) connection.done();
      return true;
    }
    connection.fail(`${failureText(port, pod)}${errorText(error)}`);
    context.log.debug({ port, err: error }, "a forwarded connection failed");
    return false;
  }
}

const failureText = (port: number, pod: string): string => `error forwarding port ${port} to pod ${pod}, uid : `;

/** Resolves with the work, or soon after the signal: who does not hear it holds up nobody. */
async function orAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  await Promise.race([work, promise]);
  signal.removeEventListener("abort", end);
}
