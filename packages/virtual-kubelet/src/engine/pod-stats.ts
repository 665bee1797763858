// A stats summary from what a runtime says of its running containers.
import { VirtualKubeletError } from "../errors.ts";
import type { CallContext } from "../provider.ts";
import type { PodStats, StatsSummary } from "../stats-summary.ts";
import type { ContainerRuntime } from "./container-runtime.ts";

export async function statsSummary(
  runtime: ContainerRuntime,
  nodeName: string,
  context: CallContext,
): Promise<StatsSummary> {
  if (runtime.stats === undefined) throw new VirtualKubeletError("Unsupported", "this runtime has no stats");
  const [{ node, containers, pods: figures }, sandboxes] = await Promise.all([
    runtime.stats(context),
    runtime.list(context),
  ]);
  const pods = sandboxes.flatMap(({ owner, createdAt }): PodStats[] => {
    const running = containers.get(owner.uid) ?? [];
    if (running.length === 0) return [];
    const { name, namespace, uid } = owner;
    return [
      {
        podRef: { name, namespace, uid },
        startTime: new Date(createdAt).toISOString(),
        containers: running,
        ...figures?.get(uid),
      },
    ];
  });
  return { node: { ...node, nodeName }, pods };
}
