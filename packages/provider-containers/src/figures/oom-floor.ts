// How low an oom_score_adj the engine may set. Lower than its own takes a capability that root lacks in some sandboxes; a
// container that asks for it all the same would not start.
import { readFileSync } from "node:fs";
import type { EngineInfo } from "../engine/engine-client.ts";

const lowest = -1000;
/** CAP_SYS_RESOURCE. */
const sysResource = 24n;

export function lowestOomScoreAdj(engine: Pick<EngineInfo, "rootless">, local: boolean): number {
  // Nothing is known of an engine elsewhere, nor, by us without rights, of one that runs as root.
  if (!local || (process.getuid?.() !== 0 && !engine.rootless)) return lowest;
  const read = (file: string): string => readFileSync(`/proc/self/${file}`, "utf8");
  return floorOf(read("status"), read("oom_score_adj"));
}

/** Pure: of /proc/self/status and /proc/self/oom_score_adj. The engine is taken to have the rights that we have. */
export function floorOf(status: string, own: string): number {
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return (capabilities >> sysResource) & 1n ? lowest : Number(own);
}
