// Which of a cloud's happenings have been made Events already: each once, those of the time before us never.
import type { CloudEvent } from "./cloud-backend.ts";

/** Keys that are kept of events which the cloud shows no more. */
const mostUnseen = 200;

export class ToldEvents {
  #told: ReadonlySet<string> | undefined;

  /** `isNew`: made by this process, so that all that the cloud tells of it is news. Else what the first look shows is history. */
  constructor(isNew: boolean) {
    this.#told = isNew ? new Set() : undefined;
  }

  /** Those that are to be told now, the oldest first. An answer without any list of them (undefined) says nothing of them. */
  news(events: readonly CloudEvent[] | undefined): readonly CloudEvent[] {
    if (events === undefined) return [];
    const told = this.#told;
    const fresh = [...new Map(events.map((event) => [event.key, event])).values()].filter(({ key }) => !told?.has(key));
    // What an answer leaves out may be in the next one again.
    const shown = new Set(events.map(({ key }) => key));
    const unseen = [...(told ?? [])].filter((key) => !shown.has(key));
    this.#told = new Set([...unseen.slice(-mostUnseen), ...shown]);
    return told === undefined ? [] : fresh.sort((one, other) => one.time - other.time);
  }
}
