// Objects of any kind in an API in memory, as far as watches of single objects and of whole collections see them; and tokens.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient, WatchOptions } from "../kube/client.ts";
import { type KubeObject, pods, type Resource, type Stored } from "../kube/resource.ts";
import type { TokenRequest } from "../kube/types.gen.ts";
import { scriptedClient } from "./scripted-client.ts";

interface Past {
  readonly key: string;
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Stored<KubeObject>;
}

export class MemoryObjects {
  /** Selections of watches that are open, e.g. `secrets shop metadata.name=a`. */
  readonly open: string[] = [];
  /** Of all watches that were ever begun. */
  readonly begun: string[] = [];
  readonly tokenRequests: { readonly name: string; readonly at: number; readonly request: TokenRequest }[] = [];
  /** Thrown instead of an answer, while it is there. */
  fault: ((what: string) => VirtualKubeletError | undefined) | undefined;
  /** Seconds that the server gives a token; default what was asked for. */
  tokenSeconds: number | undefined;
  readonly #now: () => number;
  readonly #objects = new Map<string, Stored<KubeObject>>();
  readonly #history: Past[] = [];
  readonly #watchers = new Set<() => void>();
  #version = 100;
  #uids = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  readonly client: KubeClient = scriptedClient({
    list: async (of, { namespace = "", fieldSelector = "" } = {}) => {
      this.#check(`${of.plural} ${namespace} ${fieldSelector}`.trim());
      const selected = selection(of, namespace, fieldSelector);
      const items = [...this.#objects].filter(([key]) => selected(key)).map(([, object]) => object);
      return copy({ items, resourceVersion: String(this.#version) });
    },
    watch: (of, options = {}) => this.#watch(of, options),
    createSubresource: async (of, ref, subresource, body) => {
      if (subresource !== "token") throw new VirtualKubeletError("NotFound", `no ${of.plural}/${subresource}`);
      this.#check(`token ${ref.name}`);
      const request: TokenRequest = copy(body);
      this.tokenRequests.push({ name: ref.name, at: this.#now(), request });
      const expirationSeconds = this.tokenSeconds ?? request.spec?.expirationSeconds;
      return copy({
        ...request,
        spec: { ...request.spec, expirationSeconds },
        status: { token: `token ${this.tokenRequests.length}`, expirationTimestamp: "2000-01-01T00:00:00Z" },
      });
    },
    getRaw: () => Promise.reject(new VirtualKubeletError("NotFound", "no such API")),
  });

  /** Creates or replaces. */
  put<T extends KubeObject>(of: Resource<T>, object: T): void {
    const { name = "", namespace } = object.metadata ?? {};
    const key = keyOf(of, namespace, name);
    const before = this.#objects.get(key);
    this.#version += 1;
    const uid = before?.metadata.uid ?? `uid-${++this.#uids}`;
    const stored: Stored<KubeObject> = {
      ...object,
      metadata: { ...object.metadata, name, uid, resourceVersion: String(this.#version) },
    };
    this.#objects.set(key, stored);
    this.#tell({ key, version: this.#version, type: before === undefined ? "ADDED" : "MODIFIED", object: stored });
  }

  delete(of: Resource<KubeObject>, namespace: string, name: string): void {
    const key = keyOf(of, namespace, name);
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#version += 1;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#tell({ key, version: this.#version, type: "DELETED", object: last });
  }

  #tell(past: Past): void {
    this.#history.push(past);
    for (const wake of this.#watchers) wake();
  }

  #check(what: string): void {
    const fault = this.fault?.(what);
    if (fault !== undefined) throw fault;
  }

  async *#watch<E>(of: Resource<KubeObject>, options: WatchOptions<never>): AsyncGenerator<E, void, undefined> {
    const { namespace = "", fieldSelector = "", signal, sendInitialEvents } = options;
    const what = `${of.plural} ${namespace} ${fieldSelector}`.trim();
    // Of pods others know.
    if (of.plural === pods.plural) throw new VirtualKubeletError("Unsupported", what);
    this.begun.push(what);
    await Promise.resolve();
    this.#check(what);
    const selected = selection(of, namespace, fieldSelector);
    this.open.push(what);
    let wake = (): void => {};
    const onNews = (): void => wake();
    this.#watchers.add(onNews);
    signal?.addEventListener("abort", onNews, { once: true });
    try {
      let seen = sendInitialEvents === true ? this.#version : Number(options.resourceVersion);
      if (sendInitialEvents === true) {
        for (const [key, object] of this.#objects) if (selected(key)) yield copy<E>({ type: "ADDED", object });
        yield copy<E>({ type: "BOOKMARK", resourceVersion: String(seen), initialEventsEnd: true });
      }
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        for (const past of this.#history) {
          if (past.version <= seen || !selected(past.key)) continue;
          seen = past.version;
          yield copy<E>({ type: past.type, object: past.object });
        }
        if (signal?.aborted === true) throw new VirtualKubeletError("Aborted", "aborted");
        await promise;
      }
    } finally {
      this.#watchers.delete(onNews);
      this.open.splice(this.open.indexOf(what), 1);
    }
  }
}

/** Of keys. */
function selection(of: Resource<KubeObject>, namespace: string, fieldSelector: string): (key: string) => boolean {
  const name = /^metadata\.name=(.*)$/.exec(fieldSelector)?.[1];
  return (key) => (name === undefined ? key.startsWith(`${of.plural}/`) : key === keyOf(of, namespace, name));
}

function keyOf(of: Resource<KubeObject>, namespace: string | undefined, name: string): string {
  return `${of.plural}/${namespace ?? ""}/${name}`;
}

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<E>(value: unknown): E {
  const read: E = JSON.parse(JSON.stringify(value));
  return read;
}
