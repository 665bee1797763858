// The methods of the mock behind the kubelet API: logs, commands, attach, port-forward and figures. What can be computed from a
// pod's spec and its runs is computed here, so that a backend in another process has all of it too.
import type { Clock } from "../../clock.ts";
import { parseQuantity } from "../../kube/quantity.ts";
import type { ContainerLogs, ContainerTarget, PodTarget } from "../../provider/streams.ts";
import type { CallContext, Provider } from "../../provider.ts";
import { attach } from "./attach.ts";
import type { BackendConnection } from "./connection.ts";
import { ContainerFiles } from "./container-files.ts";
import type { Faults } from "./faults.ts";
import { containerLogs } from "./log-stream.ts";
import { Ports } from "./ports.ts";
import { RunWatch } from "./run-watch.ts";
import { presentRun } from "./runs.ts";
import { runSession } from "./session.ts";
import { NodeStatsKeeper } from "./stats.ts";

export interface KubeletApiOptions {
  readonly node: string;
  /** Quantity of the node's memory. */
  readonly memory: string;
  readonly connection: BackendConnection;
  readonly faults: Faults;
  readonly clock: Clock;
  /** Aborts at the end of the provider. */
  readonly lifetime: AbortSignal;
}

type KubeletApi = Required<
  Pick<Provider, "getContainerLogs" | "runInContainer" | "attachToContainer" | "portForward" | "getStatsSummary">
>;

export function kubeletApi({ node, memory, connection, faults, clock, lifetime }: KubeletApiOptions): KubeletApi {
  const watch = new RunWatch(connection, node, clock);
  const files = new ContainerFiles(watch, clock, lifetime);
  const ports = new Ports(watch);
  const keeper = new NodeStatsKeeper({
    node,
    memory: Number(parseQuantity(memory)) / 1e9,
    startedAt: clock.now(),
  });
  const world = { clock, watch, files };
  /** The provider's end ends what goes on in it. */
  const within = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, lifetime]);
  const running = async ({ owner, container }: ContainerTarget, signal: AbortSignal) =>
    presentRun(await connection.runs(owner.uid, signal), container, owner.name);

  return {
    getContainerLogs: (target, options, { signal: caller }: CallContext): Promise<ContainerLogs> =>
      faults.around("getContainerLogs", caller, async (signal) => {
        const at = clock.now();
        const all = await connection.runs(target.owner.uid, signal);
        return containerLogs(target, options, { all, at }, world, within(signal));
      }),
    runInContainer: (target, command, io, { signal: caller }) =>
      faults.around("runInContainer", caller, async (signal) => {
        const run = await running(target, signal);
        const { exitCode } = await runSession(target, run, command, io, world, within(signal));
        return { exitCode };
      }),
    attachToContainer: (target, io, { signal: caller }) =>
      faults.around("attachToContainer", caller, async (signal) => {
        const run = await running(target, signal);
        await attach(target, run, io, world, connection, within(signal));
      }),
    portForward: (target: PodTarget, port, stream, { signal: caller }) =>
      faults.around("portForward", caller, async (signal) => {
        const all = await connection.runs(target.owner.uid, signal);
        await ports.forward(target, port, stream, all, within(signal));
      }),
    getStatsSummary: ({ signal: caller }) =>
      faults.around("getStatsSummary", caller, async (signal) =>
        keeper.summary(await connection.usages(node, signal), clock.now()),
      ),
  };
}
