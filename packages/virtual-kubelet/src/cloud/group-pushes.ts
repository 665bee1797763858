// What a cloud pushes about its groups, followed for as long as it is wanted: each change has the group looked at, and while it
// lasts the others are looked at less often.
import { type Clock, pause } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { CloudBackend } from "./cloud-backend.ts";

export interface PushesOptions {
  readonly backend: CloudBackend;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Changes are pushed now, or no more. */
  readonly pushed: (is: boolean) => void;
  readonly changed: (id: string) => void;
}

/** Returns when the signal aborts, at once where the cloud pushes nothing. Never rejects. */
export async function followPushes({ backend, clock, log, signal, pushed, changed }: PushesOptions): Promise<void> {
  if (backend.watch === undefined) return;
  for (let failures = 0; !signal.aborted; ) {
    try {
      for await (const { id } of backend.watch({ signal, log })) {
        pushed(true);
        failures = 0;
        changed(id);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (failures === 0)
        log.warn({ err: errorText(error) }, `${backend.type} pushes no changes now: pods are looked at more often`);
      failures += 1;
    }
    pushed(false);
    await pause(clock, Math.min(60_000, 1000 * 2 ** Math.min(failures, 6)), signal);
  }
}
