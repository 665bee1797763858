// What was done about each pod, the newest of it and its beginning: bounded per pod and over all, and no object of the API is kept.
import { type Clock, systemClock } from "../clock.ts";
import { errorText, type VirtualKubeletError } from "../errors.ts";
import type { EventTarget } from "../kube/event-correlator.ts";
import { redactText } from "../program/redact.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { CallEnded, PodReference, ProcessObserver } from "./observer.ts";
import type { EventState } from "./view-state.ts";

/** One thing that was done. Of a call under way, `outcome` and `ms` are undefined. */
export interface Activity {
  readonly kind: "provider call" | "API call" | "retry" | "event";
  /** Epoch milliseconds. */
  readonly at: number;
  readonly what: string;
  outcome: string | undefined;
  ms: number | undefined;
  detail: string | undefined;
  readonly bad: boolean;
  readonly nextAt: number | undefined;
}

export interface PodActivity {
  readonly owner: PodOwner;
  /** The beginning of its life here, which says where it comes from. */
  readonly first: Activity[];
  /** The newest. */
  readonly last: Activity[];
  /** Of the middle, forgotten. */
  omitted: number;
}

export interface ActivityLogOptions {
  readonly clock?: Clock | undefined;
  /** Default 20 and 60 for each pod, 2000 pods. */
  readonly firstLimit?: number | undefined;
  readonly lastLimit?: number | undefined;
  readonly podLimit?: number | undefined;
}

const longestText = 240;
const eventLimit = 100;

export class ActivityLog implements ProcessObserver {
  readonly #clock: Clock;
  readonly #firstLimit: number;
  readonly #lastLimit: number;
  readonly #podLimit: number;
  /** The one that had nothing done to it for the longest is first. */
  readonly #pods = new Map<string, PodActivity>();
  /** The newest UID of "namespace/name". */
  readonly #uids = new Map<string, string>();
  readonly #events: EventState[] = [];

  constructor(options: ActivityLogOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#firstLimit = options.firstLimit ?? 20;
    this.#lastLimit = options.lastLimit ?? 60;
    this.#podLimit = options.podLimit ?? 2000;
  }

  get(uid: string): PodActivity | undefined {
    return this.#pods.get(uid);
  }

  /** All pods of which something is remembered, those with the oldest news first. */
  all(): Iterable<PodActivity> {
    return this.#pods.values();
  }

  /** The oldest first. */
  get events(): readonly EventState[] {
    return this.#events;
  }

  providerCall(method: string, owner: PodOwner): CallEnded {
    return this.#call("provider call", this.#of(owner), method, undefined);
  }

  apiCall(what: string, pod: PodReference, detail?: string): CallEnded {
    const uid = "uid" in pod ? pod.uid : this.#uids.get(`${pod.namespace}/${pod.name}`);
    const known = uid === undefined ? undefined : this.#pods.get(uid);
    return known === undefined ? ended : this.#call("API call", known, what, detail);
  }

  retry(queue: string, uid: string, error: VirtualKubeletError, failures: number, nextAt: number): void {
    const known = this.#pods.get(uid);
    if (known === undefined) return;
    this.#add(known, {
      kind: "retry",
      at: this.#clock.now(),
      what: `queue ${queue}: failed ${failures === 1 ? "once" : `${failures} times in a row`}`,
      outcome: error.kind,
      ms: undefined,
      detail: textOf(error),
      bad: true,
      nextAt,
    });
  }

  event(target: EventTarget, node: string, type: "Normal" | "Warning", reason: string, message: string): void {
    const { kind, namespace, name, uid } = target;
    const at = this.#clock.now();
    const text = shortened(message);
    const pod = kind === "Pod" ? uid : undefined;
    const object = `${kind.toLowerCase()} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    this.#events.push({ at, warning: type === "Warning", object, reason, message: text, pod, node });
    if (this.#events.length > eventLimit) this.#events.shift();
    const known = pod === undefined ? undefined : this.#pods.get(pod);
    if (known === undefined) return;
    const common = { outcome: undefined, ms: undefined, nextAt: undefined };
    this.#add(known, { kind: "event", at, what: reason, detail: text, bad: type === "Warning", ...common });
  }

  /** From now on what is done about this pod is remembered. */
  seen(owner: PodOwner): void {
    this.#of(owner);
  }

  #of(owner: PodOwner): PodActivity {
    const { uid, namespace, name } = owner;
    let known = this.#pods.get(uid);
    if (known !== undefined) return known;
    known = { owner, first: [], last: [], omitted: 0 };
    this.#pods.set(uid, known);
    this.#uids.set(`${namespace}/${name}`, uid);
    if (this.#pods.size > this.#podLimit) this.#forgetOldest();
    return known;
  }

  #forgetOldest(): void {
    const [oldest] = this.#pods.values();
    if (oldest === undefined) return;
    const { uid, namespace, name } = oldest.owner;
    this.#pods.delete(uid);
    if (this.#uids.get(`${namespace}/${name}`) === uid) this.#uids.delete(`${namespace}/${name}`);
  }

  #call(kind: "provider call" | "API call", pod: PodActivity, what: string, detail: string | undefined): CallEnded {
    const began = performance.now();
    const common = { outcome: undefined, ms: undefined, bad: false, nextAt: undefined };
    const activity: Activity = { kind, at: this.#clock.now(), what, detail, ...common };
    this.#add(pod, activity);
    return (error) => {
      activity.ms = performance.now() - began;
      activity.outcome = error === undefined ? "ok" : error.kind;
      if (error !== undefined) activity.detail = textOf(error);
    };
  }

  #add(pod: PodActivity, activity: Activity): void {
    if (pod.first.length < this.#firstLimit) pod.first.push(activity);
    else {
      pod.last.push(activity);
      if (pod.last.length > this.#lastLimit) {
        pod.last.shift();
        pod.omitted += 1;
      }
    }
    // News: it is the last to be forgotten.
    this.#pods.delete(pod.owner.uid);
    this.#pods.set(pod.owner.uid, pod);
  }
}

const ended: CallEnded = () => undefined;

/** As the log would show it. */
function textOf(error: VirtualKubeletError): string {
  return shortened(errorText(error));
}

function shortened(text: string): string {
  const clean = redactText(text);
  return clean.length <= longestText ? clean : `${clean.slice(0, longestText - 3)}...`;
}
