// Which groups of a node changed, by the cloud's answer to what changed of late: one call for all of them, however many there are.
import { type CallContext, type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import type { EciClient } from "./eci-client.ts";
import type { Tag } from "./wire.ts";

export interface StatusWatchOptions {
  readonly client: Pick<EciClient, "statusSince">;
  readonly clock: Clock;
  readonly tags: readonly Tag[];
  /** Default 5000. */
  readonly everyMs?: number | undefined;
}

/** What is told of late may be told a little later: so much before the last look, seconds. */
const overlapSeconds = 15;

export async function* statusChanges(
  { client, clock, tags, everyMs = 5_000 }: StatusWatchOptions,
  context: CallContext,
): AsyncGenerator<{ readonly id: string }> {
  let known: ReadonlyMap<string, string> = new Map();
  let lookedAt = clock.now();
  while (!context.signal.aborted) {
    const since = Math.ceil((clock.now() - lookedAt) / 1000) + overlapSeconds;
    lookedAt = clock.now();
    const changes = await client.statusSince({ tags }, since, { ...context, urgency: "later" });
    const next = new Map(
      changes.map(({ ContainerGroupId, Status = "", state }) => [ContainerGroupId, `${Status}/${state}`]),
    );
    for (const [id, text] of next) if (known.get(id) !== text) yield { id };
    // What is not told any more did not change since: when it is told again, it did.
    known = next;
    await pause(clock, everyMs, context.signal);
  }
}
