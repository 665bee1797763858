// Figures of groups as the service gives them: of the whole and of each container, sampled when they are asked for.

import { secondOf } from "./fake-events.ts";
import type { FakeGroup } from "./fake-group.ts";
import { roundedSize } from "./fake-sizes.ts";

/** Undefined: nothing of it runs. */
export async function metricRecord(group: FakeGroup, now: number): Promise<object | undefined> {
  const { running } = group;
  const alive = group.mains.filter(({ isRunning }) => isRunning);
  if (running === undefined || alive.length === 0) return undefined;
  const samples = await Promise.all(
    alive.map(async ({ name, starts }) => {
      const { cpuNanoseconds, memoryBytes } = await running.stats(name);
      const seconds = Math.max(0.001, (now - (starts.at(-1) ?? now)) / 1000);
      return { name, total: cpuNanoseconds, rate: Math.round(cpuNanoseconds / seconds), memoryBytes };
    }),
  );
  const sum = (key: "total" | "rate" | "memoryBytes"): number => samples.reduce((all, each) => all + each[key], 0);
  const { cpu, memory } = roundedSize(group.request);
  return {
    Timestamp: secondOf(now),
    CPU: cpuView(sum("total"), sum("rate"), cpu),
    Memory: memoryView(sum("memoryBytes"), memory * 1024 ** 3),
    Containers: samples.map(({ name, total, rate, memoryBytes }) => ({
      Name: name,
      CPU: cpuView(total, rate, cpu),
      Memory: memoryView(memoryBytes, memory * 1024 ** 3),
    })),
  };
}

function cpuView(total: number, rate: number, cores: number): object {
  return { UsageCoreNanoSeconds: total, UsageNanoCores: rate, Load: 0, Limit: cores * 1000 };
}

function memoryView(used: number, limit: number): object {
  return { UsageBytes: used, WorkingSet: used, Rss: used, Cache: 0, AvailableBytes: Math.max(0, limit - used) };
}
