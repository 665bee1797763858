// Sizes as the service rounds them: to the next row of its table. Pure.
import type { CreateContainerGroupRequest } from "../wire.ts";
import { invalid } from "./fake-refusal.ts";

/** Cores, and the GiB that go with them. */
const table: readonly (readonly [number, readonly number[]])[] = [
  [0.25, [0.5, 1]],
  [0.5, [1, 2]],
  [1, [2, 4, 8]],
  [2, [1, 2, 4, 8, 16]],
  [4, [2, 4, 8, 16, 32]],
  [8, [4, 8, 16, 32, 64]],
  [12, [12, 24, 48, 96]],
  [16, [16, 32, 64, 128]],
  [24, [24, 48, 96, 192]],
  [32, [32, 64, 128, 256]],
  [52, [96, 192, 384]],
  [64, [128, 256, 512]],
];

export interface GroupSize {
  readonly cpu: number;
  readonly memory: number;
}

/** By what is said of the group, else by the sum of its containers, else the default. Throws what the cloud refuses with. */
export function roundedSize(request: CreateContainerGroupRequest): GroupSize {
  const sum = (key: "Cpu" | "Memory"): number => request.Container.reduce((total, each) => total + (each[key] ?? 0), 0);
  const inits = (request.InitContainer ?? []).map((each) => [each.Cpu ?? 0, each.Memory ?? 0] as const);
  const wanted = {
    cpu: request.Cpu ?? (Math.max(sum("Cpu"), ...inits.map(([cpu]) => cpu)) || 2),
    memory: request.Memory ?? (Math.max(sum("Memory"), ...inits.map(([, memory]) => memory)) || 4),
  };
  if (request.InstanceType !== undefined) return wanted;
  for (const [cpu, memories] of table) {
    if (cpu < wanted.cpu - 1e-6) continue;
    const memory = memories.find((each) => each >= wanted.memory - 1e-6);
    if (memory !== undefined) return { cpu, memory };
  }
  throw invalid("Cpu", `no specification has ${wanted.cpu} vCPU and ${wanted.memory} GiB`);
}
