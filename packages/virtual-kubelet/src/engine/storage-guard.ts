// Evicts pods that use more of the node's disk than they may, from time to time, as long as it runs.
import { type Clock, pause } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { isCritical } from "../status/pod-priority.ts";
import type { ContainerRuntime } from "./container-runtime.ts";
import type { PodTable } from "./pod-table.ts";
import { hasStorageLimits, storageExcess } from "./storage-limits.ts";

const intervalMs = 10_000;
const graceSeconds = 1;

export async function guardStorage(
  options: {
    readonly runtime: ContainerRuntime;
    readonly pods: PodTable;
    readonly clock: Clock;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { runtime, pods, clock, log } = options;
  if (runtime.stats === undefined) return;
  for (; !signal.aborted; await pause(clock, intervalMs, signal)) {
    const limited = [...pods.all()].flatMap((actor) =>
      actor.pod === undefined || actor.isEnding || isCritical(actor.pod) || !hasStorageLimits(actor.pod)
        ? []
        : [{ actor, pod: actor.pod }],
    );
    if (limited.length === 0) continue;
    try {
      const stats = await runtime.stats({ signal, log });
      for (const { actor, pod } of limited) {
        const { uid, name } = actor.owner;
        const containers = stats.containers.get(uid) ?? [];
        const message = storageExcess(pod, { containers, pod: stats.pods?.get(uid) });
        if (message === undefined || actor.isEnding) continue;
        log.warn({ pod: name, uid, resource: "ephemeral-storage" }, "pod evicted");
        // The node itself is well: no disruption.
        actor.evict(graceSeconds, message, undefined);
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: errorText(error) }, "limits of storage cannot be looked after");
    }
  }
}
