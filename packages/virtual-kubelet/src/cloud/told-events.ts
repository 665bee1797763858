// Which of a cloud's happenings have been made Events already: each once, those of the time before us never.
import type { CloudEvent } from "./cloud-backend.ts";

export class ToldEvents {
  #told: ReadonlySet<string> | undefined;

  /** `isNew`: made by this process, so that all that the cloud tells of it is news. Else what the first look shows is history. */
  constructor(isNew: boolean) {
    this.#told = isNew ? new Set() : undefined;
  }

  /** Those that are to be told now, the oldest first. Keeps no more keys than the cloud shows. */
  news(events: readonly CloudEvent[]): readonly CloudEvent[] {
    const told = this.#told;
    this.#told = new Set(events.map(({ key }) => key));
    if (told === undefined) return [];
    return events.filter(({ key }) => !told.has(key)).sort((one, other) => one.time - other.time);
  }
}
