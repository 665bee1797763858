// What containers of one node there are on the engine, and how each is: looked at once, then again whenever something happens to
// it. Events say when; what is believed is what an inspection shows.
import {
  type CallContext,
  type Clock,
  errorText,
  isErrorKind,
  type Logger,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { UidEvents } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails, EngineClient } from "./engine/engine-client.ts";
import { isNamedSo, type Labelled, readLabels, selector } from "./labels.ts";
import { ProcessWatch } from "./process-watch.ts";

/** One of our containers. */
export interface Found extends Labelled {
  readonly details: ContainerDetails;
}

export interface InventoryOptions {
  readonly client: EngineClient;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told the UID of each pod of which something changed. */
  readonly changed: UidEvents;
  /** Called with each inspection, before it is told of. */
  readonly seen: (details: ContainerDetails) => void;
}

/** Between two comparisons with what the engine lists: events can be lost. */
const compareMs = 30_000;
const firstRetryMs = 200;
const lastRetryMs = 5000;
/** Inspections side by side. */
const parallel = 8;

/** What an event can have changed, seen from what is known: most tell of what was looked at already when it was done. */
function isNews(action: string, known: ContainerDetails | undefined): boolean {
  switch (action) {
    case "create":
      return known === undefined;
    case "start":
      return known?.running !== true;
    case "die":
    case "oom":
      return known?.running !== false;
    case "destroy":
      return known !== undefined;
    case "pause":
    case "unpause":
    case "rename":
      return true;
    default:
      return false;
  }
}

export class Inventory {
  readonly #options: InventoryOptions;
  readonly #known = new Map<string, Found>();
  /** One look at a container at a time, and at most one that waits for it. */
  readonly #looks = new Map<string, { readonly now: Promise<void>; next: Promise<void> | undefined }>();
  readonly #watch: ProcessWatch;
  /** Events come, and all from before them was listed. */
  #live = false;

  constructor(options: InventoryOptions) {
    this.#options = options;
    this.#watch = new ProcessWatch((id) => void this.#glance(id));
  }

  /** All of the node. Throws Unavailable while the engine cannot be asked. */
  async all(context: CallContext): Promise<readonly Found[]> {
    context.signal.throwIfAborted();
    if (!this.#live) await this.#compare(undefined, context.signal);
    return [...this.#known.values()];
  }

  /** One pod's. */
  async ofPod(uid: string, context: CallContext): Promise<readonly Found[]> {
    context.signal.throwIfAborted();
    if (!this.#live) await this.#compare(uid, context.signal);
    return this.known(uid);
  }

  /** As the engine has it now, whatever was seen before. */
  async freshOfPod(uid: string, context: CallContext): Promise<readonly Found[]> {
    context.signal.throwIfAborted();
    await this.#compare(uid, context.signal, true);
    return this.known(uid);
  }

  /** One pod's, as last seen. */
  known(uid: string): readonly Found[] {
    return [...this.#known.values()].filter(({ owner }) => owner.uid === uid);
  }

  /** Looks at one after something was done to it; undefined when it is gone. */
  async look(id: string, { signal }: CallContext): Promise<Found | undefined> {
    await this.#look(id, signal);
    return this.#known.get(id);
  }

  /** Follows what happens until the signal aborts. `ready` is called once, when the first listing is complete. */
  async run(signal: AbortSignal, ready: () => void): Promise<void> {
    const { clock, log } = this.#options;
    let retryMs = firstRetryMs;
    const stopCompare = this.#compareNowAndThen(signal);
    try {
      while (!signal.aborted) {
        const began = clock.now();
        try {
          await this.#follow(signal, () => {
            retryMs = firstRetryMs;
            ready();
          });
        } catch (error) {
          if (signal.aborted) return;
          log.warn({ err: errorText(error) }, "the engine tells of no changes: asked again");
        }
        this.#live = false;
        if (clock.now() - began > lastRetryMs) retryMs = firstRetryMs;
        await pause(clock, retryMs, signal);
        retryMs = Math.min(retryMs * 2, lastRetryMs);
      }
    } finally {
      stopCompare();
      this.#live = false;
      this.#watch.close();
    }
  }

  async #follow(signal: AbortSignal, ready: () => void): Promise<void> {
    const { client, node } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const events = client.events(selector(node), { signal: either })[Symbol.asyncIterator]();
    try {
      let next = events.next();
      // What happens meanwhile waits in the stream.
      next.catch(() => {});
      await this.#compare(undefined, signal, true);
      this.#live = true;
      ready();
      for (let event = await next; event.done !== true; event = await next) {
        const { id, action } = event.value;
        next = events.next();
        next.catch(() => {});
        if (isNews(action, this.#known.get(id)?.details)) void this.#glance(id);
      }
    } finally {
      over.abort();
    }
    throw new VirtualKubeletError("Unavailable", "the engine's events have ended");
  }

  #compareNowAndThen(signal: AbortSignal): () => void {
    const { clock, log } = this.#options;
    let cancel = (): void => {};
    const next = (): void => {
      cancel = clock.schedule(compareMs, () => {
        const done = this.#live ? this.#compare(undefined, signal) : Promise.resolve();
        done
          .catch((error: unknown) => {
            if (!signal.aborted) log.debug({ err: errorText(error) }, "the engine's containers could not be listed");
          })
          .finally(() => {
            if (!signal.aborted) next();
          });
      });
    };
    next();
    return () => cancel();
  }

  /** Looks at what is new or listed otherwise than it was seen; at everything where `thorough`. */
  async #compare(uid: string | undefined, signal: AbortSignal, thorough = false): Promise<void> {
    const { client, node } = this.#options;
    const before = new Set(
      [...this.#known].flatMap(([id, { owner }]) => ((uid ?? owner.uid) === owner.uid ? [id] : [])),
    );
    const listed = await client.listContainers(selector(node, uid), { signal });
    const there = new Set(listed.map(({ id }) => id));
    const due = [
      ...listed.flatMap(({ id, state }) =>
        thorough || !this.#live || this.#known.get(id)?.details.state !== state ? [id] : [],
      ),
      ...[...before].filter((id) => !there.has(id)),
    ];
    let at = 0;
    const worker = async (): Promise<void> => {
      for (let id = due[at++]; id !== undefined; id = due[at++]) await this.#look(id, signal);
    };
    await Promise.all(Array.from({ length: Math.min(parallel, due.length) }, worker));
  }

  /** A look that nobody waits for: what fails shows in the next comparison. */
  async #glance(id: string): Promise<void> {
    try {
      await this.#look(id, AbortSignal.timeout(10_000));
    } catch (error) {
      this.#options.log.debug({ container: id, err: errorText(error) }, "a container could not be looked at");
    }
  }

  /** Resolves when a look that began no earlier than this call is over. */
  async #look(id: string, signal: AbortSignal): Promise<void> {
    const present = this.#looks.get(id);
    if (present !== undefined) {
      if (present.next === undefined) {
        present.next = present.now.then(
          () => this.#begin(id),
          () => this.#begin(id),
        );
        // Who asked may be gone before it fails.
        present.next.catch(() => {});
      }
      return within(present.next, signal);
    }
    return within(this.#begin(id), signal);
  }

  #begin(id: string): Promise<void> {
    const look: { readonly now: Promise<void>; next: Promise<void> | undefined } = {
      now: this.#inspect(id).finally(() => {
        if (this.#looks.get(id) === look && look.next === undefined) this.#looks.delete(id);
      }),
      next: undefined,
    };
    look.now.catch(() => {});
    this.#looks.set(id, look);
    return look.now;
  }

  async #inspect(id: string): Promise<void> {
    const { client, node, seen, changed } = this.#options;
    const before = this.#known.get(id);
    let details: ContainerDetails | undefined;
    try {
      details = await client.inspectContainer(id, { signal: AbortSignal.timeout(30_000) });
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
    }
    const labelled = details && readLabels(details.labels);
    if (
      details === undefined ||
      labelled === undefined ||
      labelled.owner.node !== node ||
      !isNamedSo(labelled, details.name)
    ) {
      this.#known.delete(id);
      this.#watch.forget(id);
      if (before !== undefined) changed.tell(before.owner.uid);
      return;
    }
    seen(details);
    this.#known.set(id, { ...labelled, details });
    this.#watch.keep(id, details.running ? details.pid : 0);
    if (before === undefined || differs(before.details, details)) changed.tell(labelled.owner.uid);
  }
}

function differs(a: ContainerDetails, b: ContainerDetails): boolean {
  return (
    a.state !== b.state ||
    a.running !== b.running ||
    a.pid !== b.pid ||
    a.exitCode !== b.exitCode ||
    a.startedAt !== b.startedAt ||
    a.finishedAt !== b.finishedAt ||
    a.addresses.join() !== b.addresses.join()
  );
}

/** Who asked need not wait when it was aborted; the look goes on. */
async function within(look: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([look, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
