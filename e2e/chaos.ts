// What the chaos tests share: seeded chance, calls that are made until they are answered, and words about faults.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import type { Provider } from "../packages/virtual-kubelet/src/provider.ts";

/** Chance that can be had again: the seed is printed; $CHAOS_SEED sets it. */
export function seededRandom(title: string): () => number {
  const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
  console.log(`${title}: CHAOS_SEED=${seed}`);
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const between = (random: () => number, from: number, to: number): number => from + (to - from) * random();

/** Does it until the API server has answered: what was done by a try whose answer was lost counts as done. */
export async function persist<T>(attempt: () => Promise<T>): Promise<T | undefined> {
  for (const deadline = Date.now() + 300_000; ; await sleep(200)) {
    try {
      return await attempt();
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Conflict")) return undefined;
      if (Date.now() > deadline || isErrorKind(error, "Invalid")) throw error;
    }
  }
}

/** Waits for all of them, whatever fails first: nothing of a test goes on after it. */
export async function together(...works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === "rejected") throw outcome.reason;
}

export function noFaults(what: string, faults: readonly string[]): void {
  assert.deepEqual(faults, [], `${what}:\n${faults.join("\n")}`);
}

/** The same with creations that hang until they are released, deaf to their signal: they are done late and unasked. */
export function createdLate(
  provider: Provider,
  hangs: (name: string, uid: string) => boolean,
  released: Promise<void>,
): Provider {
  return {
    ...provider,
    createPod: async (request, context) => {
      if (!hangs(request.pod.metadata.name, request.pod.metadata.uid)) return provider.createPod(request, context);
      await released;
      return provider.createPod(request, { ...context, signal: new AbortController().signal });
    },
  };
}
