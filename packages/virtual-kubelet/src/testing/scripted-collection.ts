// One collection of the API in memory, with a history that can be compacted and watches that can be cut at any point:
// the server side of the informer's tests. Objects go over as JSON, so that no reader shares one with another.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient, WatchOptions } from "../kube/client.ts";
import type { KubeObject } from "../kube/resource.ts";
import { scriptedClient } from "./scripted-client.ts";

export interface ScriptedObject extends KubeObject {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly { readonly manager?: string }[];
  };
}

interface Past {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: ScriptedObject;
}

type Asked = Omit<WatchOptions, "accept">;

/** How a watch under way ends. */
export type Cut = "end" | VirtualKubeletError;

export class ScriptedCollection {
  version: number = 100;
  readonly objects: Map<string, ScriptedObject> = new Map();
  readonly requests: ({ readonly verb: "list" } | ({ readonly verb: "watch" } & Asked))[] = [];
  /** Thrown by the next requests, one each. */
  readonly faults: VirtualKubeletError[] = [];
  /** Thrown by every request while set. */
  down: VirtualKubeletError | undefined;
  /** Answers a streaming list; undefined: serves it. */
  refusesStreaming: VirtualKubeletError | undefined;
  /** The next streaming list is cut after so many objects. */
  cutInitialAfter: number | undefined;
  /** Streaming lists never end their first part. */
  withholdsBookmark = false;
  /** A watch begins with so many events from before its resource version, as from a server that lags behind. */
  repeats = 0;
  #history: Past[] = [];
  #compacted = 100;
  #nextUid = 1;
  /** Resolves, and is made anew, when there is something to send or a watch is to end. */
  #news = Promise.withResolvers<void>();
  #cut: Cut | undefined;
  #bookmark = false;
  watching = 0;

  readonly client: KubeClient = scriptedClient({
    list: (_of, options) => {
      this.requests.push({ verb: "list" });
      options?.signal?.throwIfAborted();
      const fault = this.down ?? this.faults.shift();
      if (fault !== undefined) return Promise.reject(fault);
      return Promise.resolve(copy({ items: [...this.objects.values()], resourceVersion: String(this.version) }));
    },
    watch: (_of, options = {}) => this.#watch(options),
  });

  create(name: string, more: Partial<ScriptedObject["metadata"]> = {}): ScriptedObject {
    const uid = `uid-${this.#nextUid++}`;
    return this.#write("ADDED", { metadata: { namespace: "default", name, uid, resourceVersion: "", ...more } });
  }

  modify(name: string, more: Partial<ScriptedObject["metadata"]> = {}): ScriptedObject {
    const object = this.objects.get(name);
    if (object === undefined) throw new VirtualKubeletError("NotFound", name);
    return this.#write("MODIFIED", { metadata: { ...object.metadata, ...more } });
  }

  delete(name: string): ScriptedObject {
    const object = this.objects.get(name);
    if (object === undefined) throw new VirtualKubeletError("NotFound", name);
    return this.#write("DELETED", object);
  }

  /** Forgets the history: a watch from before now is Expired. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.version;
  }

  /** Sends a bookmark of now to the watch under way. */
  bookmark(): void {
    this.#bookmark = true;
    this.#wake();
  }

  /** Ends the watch under way, if any. */
  cut(how: Cut): void {
    if (this.watching === 0) return;
    this.#cut = how;
    this.#wake();
  }

  #write(type: Past["type"], object: ScriptedObject): ScriptedObject {
    this.version += 1;
    const written = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    if (type === "DELETED") this.objects.delete(object.metadata.name);
    else this.objects.set(object.metadata.name, written);
    this.#history.push({ version: this.version, type, object: written });
    this.#wake();
    return written;
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  async *#watch<E>(options: Asked): AsyncGenerator<E, void, undefined> {
    this.requests.push({ verb: "watch", ...options });
    const fault = this.down ?? this.faults.shift();
    if (fault !== undefined) throw fault;
    const { signal } = options;
    this.watching += 1;
    try {
      let seen: number;
      if (options.sendInitialEvents === true) {
        if (this.refusesStreaming !== undefined) throw this.refusesStreaming;
        seen = this.version;
        const limit = this.cutInitialAfter;
        this.cutInitialAfter = undefined;
        let sent = 0;
        for (const object of [...this.objects.values()]) {
          if (limit !== undefined && sent++ >= limit) throw new VirtualKubeletError("Unavailable", "cut");
          yield copy<E>({ type: "ADDED", object });
        }
        if (limit !== undefined) throw new VirtualKubeletError("Unavailable", "cut");
        if (!this.withholdsBookmark) {
          yield copy<E>({ type: "BOOKMARK", resourceVersion: String(seen), initialEventsEnd: true });
        }
      } else {
        seen = Number(options.resourceVersion);
        if (seen < this.#compacted) throw new VirtualKubeletError("Expired", `too old resource version: ${seen}`);
        const index = this.#history.findIndex(({ version }) => version > seen);
        const from = this.#history.slice(0, index < 0 ? undefined : index);
        for (const { type, object } of this.repeats > 0 ? from.slice(-this.repeats) : [])
          yield copy<E>({ type, object });
      }
      for (;;) {
        const news = this.#news.promise;
        if (seen < this.#compacted) throw new VirtualKubeletError("Expired", "the watch is too slow");
        for (const { version, type, object } of this.#history.filter((past) => past.version > seen)) {
          yield copy<E>({ type, object });
          seen = version;
        }
        if (this.#bookmark) {
          this.#bookmark = false;
          seen = this.version;
          yield copy<E>({ type: "BOOKMARK", resourceVersion: String(seen), initialEventsEnd: false });
        }
        const cut = this.#cut;
        this.#cut = undefined;
        if (cut === "end") return;
        if (cut !== undefined) throw cut;
        await either(news, signal);
        if (signal?.aborted === true) throw new VirtualKubeletError("Aborted", "aborted");
      }
    } finally {
      this.watching -= 1;
    }
  }
}

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<E>(value: unknown): E {
  const read: E = JSON.parse(JSON.stringify(value));
  return read;
}

function either(news: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal?.addEventListener("abort", stop, { once: true });
  void news.then(resolve);
  if (signal?.aborted === true) resolve();
  return promise.finally(() => signal?.removeEventListener("abort", stop));
}
