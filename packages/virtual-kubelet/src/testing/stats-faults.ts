// What is wrong with a stats summary, by itself and after the one before it. Pure.
import type { ContainerStats, CPUStats, MemoryStats, StatsSummary } from "../stats-summary.ts";

/** One text for each fault; none: it keeps the contract of getStatsSummary. */
export function statsFaults(summary: StatsSummary, node: string, before?: StatsSummary): readonly string[] {
  const faults: string[] = [];
  if (summary.node.nodeName !== node) faults.push(`node.nodeName is ${JSON.stringify(summary.node.nodeName)}`);
  const check = (
    where: string,
    stats: {
      readonly cpu?: CPUStats | undefined;
      readonly memory?: MemoryStats | undefined;
      readonly startTime: string;
    },
  ): void => {
    faults.push(...figureFaults(where, stats));
  };
  check("node", summary.node);
  if (before?.node.startTime === summary.node.startTime)
    faults.push(...fallFaults("node", before.node.cpu, summary.node.cpu));
  const seen = new Set<string>();
  const earlier = runsIn(before);
  for (const pod of summary.pods) {
    const where = `pod ${pod.podRef.namespace}/${pod.podRef.name}`;
    if (seen.has(pod.podRef.uid)) faults.push(`${where} is there twice`);
    seen.add(pod.podRef.uid);
    check(where, pod);
    if (pod.containers.length === 0) faults.push(`${where} has no container`);
    for (const container of pod.containers) {
      const name = `${where}, container ${container.name}`;
      check(name, container);
      const last = earlier.get(`${pod.podRef.uid}/${container.name}`);
      if (last?.startTime === container.startTime) faults.push(...fallFaults(name, last.cpu, container.cpu));
    }
  }
  return faults;
}

function runsIn(summary: StatsSummary | undefined): ReadonlyMap<string, ContainerStats> {
  const runs = new Map<string, ContainerStats>();
  for (const { podRef, containers } of summary?.pods ?? []) {
    for (const container of containers) runs.set(`${podRef.uid}/${container.name}`, container);
  }
  return runs;
}

/** A zero stands for "unknown" with every reader: what is unknown is left out. */
function figureFaults(
  where: string,
  stats: { readonly cpu?: CPUStats | undefined; readonly memory?: MemoryStats | undefined; readonly startTime: string },
): readonly string[] {
  const times = { startTime: stats.startTime, "cpu.time": stats.cpu?.time, "memory.time": stats.memory?.time };
  const figures = {
    "cpu.usageCoreNanoSeconds": stats.cpu?.usageCoreNanoSeconds,
    "memory.workingSetBytes": stats.memory?.workingSetBytes,
  };
  return [
    ...Object.entries(times)
      .filter(([, time]) => time !== undefined && Number.isNaN(Date.parse(time)))
      .map(([name, time]) => `${where}: ${name} is no time: ${time}`),
    ...Object.entries(figures)
      .filter(([, figure]) => figure !== undefined && !(Number.isInteger(figure) && figure > 0))
      .map(([name, figure]) => `${where}: ${name} is ${figure}`),
  ];
}

function fallFaults(where: string, before: CPUStats | undefined, after: CPUStats | undefined): readonly string[] {
  const [from, to] = [before?.usageCoreNanoSeconds, after?.usageCoreNanoSeconds];
  const falls = from !== undefined && to !== undefined && to < from;
  return falls ? [`${where}: cpu.usageCoreNanoSeconds fell from ${from} to ${to}`] : [];
}
