// Which Event object an occurrence belongs to, and whether it may be sent: counts repeats, folds look-alikes, limits floods.
// The numbers are those of client-go's correlator, so a cluster sees no more Events from us than from a kubelet.
import { randomInt } from "node:crypto";

/** What an event is about: the reference that the API shows as involvedObject. */
export interface EventTarget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Absent for cluster-scoped objects: their events live in "default". */
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** The part meant, e.g. `spec.containers{web}`. */
  readonly fieldPath?: string | undefined;
}

/** One thing that happened, as told by a part of the program. */
export interface Occurrence {
  readonly target: EventTarget;
  readonly component: string;
  readonly host: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** The occurrences that share one Event object. Changes as more of them come. */
export interface EventSeries {
  readonly key: string;
  /** Of the Event object. */
  readonly name: string;
  readonly occurrence: Occurrence;
  /** Of the newest occurrence. */
  message: string;
  count: number;
  /** Epoch milliseconds. */
  readonly firstAt: number;
  lastAt: number;
  /** Does the Event object exist, as far as we know? Kept by who sends. */
  created: boolean;
}

export interface CorrelatorLimits {
  /** Events of one source about one object that may come at once. Default 25. */
  readonly burst: number;
  /** Milliseconds until one more may. Default 5 minutes. */
  readonly refillMs: number;
  /** Messages of one object, type and reason that get an Event each; further ones share one. Default 10. */
  readonly similar: number;
  /** Milliseconds without a similar event after which counting them starts anew. Default 10 minutes. */
  readonly similarMs: number;
  /** Objects, groups and series remembered; the least recently used are forgotten first. Default 4096 of each. */
  readonly remembered: number;
}

const defaults: CorrelatorLimits = {
  burst: 25,
  refillMs: 300_000,
  similar: 10,
  similarMs: 600_000,
  remembered: 4096,
};

/** Longer ones are cut; the API takes no more in events.k8s.io. */
const longestMessage = 1024;
const combined = "(combined from similar events): ";

export class EventCorrelator {
  readonly #limits: CorrelatorLimits;
  readonly #series: Lru<EventSeries>;
  readonly #groups: Lru<{ readonly messages: Set<string>; lastAt: number }>;
  readonly #buckets: Lru<{ tokens: number; at: number }>;

  constructor(limits: Partial<CorrelatorLimits> = {}) {
    this.#limits = { ...defaults, ...limits };
    this.#series = new Lru(this.#limits.remembered);
    this.#groups = new Lru(this.#limits.remembered);
    this.#buckets = new Lru(this.#limits.remembered);
  }

  /**
   * The series that the occurrence now counts in. `allowed` is false when its source has told too much about this object:
   * then nothing is to be sent, and a later Event of the series shows the count.
   */
  observe(occurrence: Occurrence, now: number): { readonly series: EventSeries; readonly allowed: boolean } {
    const { target, component, host, type, reason } = occurrence;
    const object = keyOf(component, host, target.kind, target.namespace, target.name, target.uid, target.apiVersion);
    const group = keyOf(object, type, reason);
    const alone = this.#isDistinct(group, occurrence.message, now);
    const key = alone ? keyOf(group, target.fieldPath, occurrence.message) : group;
    const message = cut(alone ? occurrence.message : combined + occurrence.message);
    let series = this.#series.get(key);
    if (series === undefined) {
      const name = eventName(target.name, now);
      series = { key, name, occurrence, message, count: 1, firstAt: now, lastAt: now, created: false };
      this.#series.set(key, series);
    } else {
      series.count += 1;
      series.lastAt = now;
      series.message = message;
    }
    return { series, allowed: this.#allows(object, now) };
  }

  #isDistinct(group: string, message: string, now: number): boolean {
    let seen = this.#groups.get(group);
    if (seen === undefined || now - seen.lastAt > this.#limits.similarMs) {
      seen = { messages: new Set(), lastAt: now };
      this.#groups.set(group, seen);
    }
    seen.lastAt = now;
    if (seen.messages.has(message)) return true;
    if (seen.messages.size >= this.#limits.similar) return false;
    seen.messages.add(message);
    return true;
  }

  #allows(object: string, now: number): boolean {
    const { burst, refillMs } = this.#limits;
    let bucket = this.#buckets.get(object);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now };
      this.#buckets.set(object, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, now - bucket.at) / refillMs);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

function keyOf(...parts: readonly (string | undefined)[]): string {
  return JSON.stringify(parts);
}

function cut(message: string): string {
  return message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 3)}...`;
}

/** The part of a stamp below its millisecond: counted, so that no two of a process are equal; begun anywhere, for the others. */
let sequence = randomInt(1_000_000);

/** `<object>.<hex>`, the time as nanoseconds, as of every other source of Events. */
function eventName(object: string, now: number): string {
  sequence = (sequence + 1) % 1_000_000;
  const stamp = (BigInt(Math.trunc(now)) * 1_000_000n + BigInt(sequence)).toString(16);
  return `${object.slice(0, 253 - 1 - stamp.length).replace(/[^a-z0-9]+$/, "")}.${stamp}`;
}

/** A map that forgets what was used least recently. */
class Lru<V> {
  readonly #size: number;
  readonly #values = new Map<string, V>();

  constructor(size: number) {
    this.#size = size;
  }

  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.#size) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      return;
    }
  }
}
