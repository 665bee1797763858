// A probe of a container as the kubelet of the service runs it.
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import type { Probe } from "../wire.ts";

/**
 * Asks until the signal aborts, or `on` ends it. `on` is told at each answer: true or false once the threshold for that is reached, and
 * why an answer was bad.
 */
export async function probe(
  {
    InitialDelaySeconds = 0,
    PeriodSeconds = 10,
    TimeoutSeconds = 1,
    SuccessThreshold = 1,
    FailureThreshold = 3,
  }: Probe,
  ask: (signal: AbortSignal) => Promise<string | undefined>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  on: (isGood: boolean | undefined, why: string | undefined) => "go on" | "end",
): Promise<void> {
  await pause(clock, InitialDelaySeconds * 1000, signal);
  let streak = 0;
  let wasGood: boolean | undefined;
  while (!signal.aborted) {
    const why = await ask(AbortSignal.any([signal, AbortSignal.timeout(TimeoutSeconds * 1000)]));
    if (signal.aborted) return;
    const isGood = why === undefined;
    streak = isGood === wasGood ? streak + 1 : 1;
    wasGood = isGood;
    const reached = streak >= (isGood ? SuccessThreshold : FailureThreshold);
    if (on(reached ? isGood : undefined, why) === "end") return;
    await pause(clock, PeriodSeconds * 1000, signal);
  }
}
