// Describes groups of a cloud in as few calls as it has for that, several side by side.
import type { Clock } from "../clock.ts";
import { timedCall } from "../engine/timed-call.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { CallContext } from "../provider.ts";
import type { CloudBackend, CloudGroup } from "./cloud-backend.ts";
import { type GroupEntry, refOf } from "./group-entry.ts";

const callTimeoutMs = 60_000;
const mostCalls = 8;

/**
 * `found` is called for each that has an id, as soon as its answer is there: undefined is the cloud's word that it has none; `at` is
 * when it was asked. Throws what a call throws, after the others that are under way.
 */
export async function describeAll(
  { backend, clock }: { readonly backend: CloudBackend; readonly clock: Clock },
  entries: readonly GroupEntry[],
  found: (entry: GroupEntry, group: CloudGroup | undefined, at: number) => void,
  context: CallContext,
): Promise<void> {
  const known = entries.flatMap((entry) => {
    const ref = refOf(entry);
    const isWanted = entry.request !== undefined && entry.ending === undefined;
    return ref === undefined ? [] : [{ entry, ref: { ...ref, isWanted } }];
  });
  let from = 0;
  const inTurn = async (): Promise<void> => {
    while (from < known.length) {
      const part = known.slice(from, from + backend.describeAtOnce);
      from += part.length;
      const refs = part.map(({ ref }) => ref);
      const at = clock.now();
      const groups = await timedCall(clock, context, callTimeoutMs, (limited) => backend.describe(refs, limited));
      if (groups.length !== part.length)
        throw new VirtualKubeletError(
          "Internal",
          `${backend.type} described ${groups.length} of ${part.length} groups`,
        );
      for (const [index, { entry }] of part.entries()) found(entry, groups[index], at);
    }
  };
  const calls = Math.min(mostCalls, Math.ceil(known.length / backend.describeAtOnce));
  const all = await Promise.allSettled(Array.from({ length: calls }, inTurn));
  for (const each of all) if (each.status === "rejected") throw each.reason;
}
