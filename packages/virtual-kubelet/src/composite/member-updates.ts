// Follows what a member says of its pods: by what it pushes, or by looking now and then where it pushes nothing.
import { type Clock, pause } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { Member } from "./member.ts";

/** Until the signal aborts. Never rejects. */
export async function followMember(
  member: Member,
  { clock, lookMs }: { readonly clock: Clock; readonly lookMs: number },
  pass: (update: PodUpdate) => void,
  context: CallContext,
): Promise<void> {
  const { name, provider } = member;
  let isTroubled = false;
  while (!context.signal.aborted) {
    try {
      if (provider.watchPods === undefined) await look(member, pass, context);
      else for await (const update of provider.watchPods(context)) pass(update);
      isTroubled = false;
    } catch (error) {
      if (context.signal.aborted) return;
      if (!isTroubled) context.log.warn({ member: name, err: errorText(error) }, "a member's pods cannot be followed");
      isTroubled = true;
    }
    await pause(clock, lookMs, context.signal);
  }
}

/** What was there and is not listed any more is gone. */
async function look(member: Member, pass: (update: PodUpdate) => void, context: CallContext): Promise<void> {
  const before = member.owners();
  const reports = await member.provider.getPods(context);
  const present = new Set(reports.map(({ owner }) => owner.uid));
  member.listed(reports);
  for (const report of reports) pass({ type: "report", report });
  for (const owner of before) if (!present.has(owner.uid)) pass({ type: "gone", owner });
}
