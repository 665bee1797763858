// Nodes and Leases of an API in memory, as far as node controllers see one: versions, UIDs, merge patches, one watch; every call is
// kept, and can be made to fail. The real API server has the last word, in e2e/.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { scriptedClient } from "./scripted-client.ts";

type Json = Record<string, unknown>;

export interface MemoryCall {
  readonly verb: "get" | "create" | "replace" | "patch" | "delete";
  readonly plural: string;
  readonly name: string;
  readonly subresource: string | undefined;
  readonly body: Json;
}

export class MemoryNodes {
  readonly calls: MemoryCall[] = [];
  /** Asked before every call: what it answers is thrown. */
  fault: (call: MemoryCall) => VirtualKubeletError | undefined = () => undefined;
  /** Applied to what is about to be stored, as a webhook would. */
  rewrite: (object: Json) => Json = (object) => object;
  readonly #objects = new Map<string, Json>();
  readonly #watchers = new Set<(event: Json) => void>();
  #version = 0;
  #uid = 0;

  readonly client: KubeClient = scriptedClient({
    get: (of, ref) =>
      this.#answer("get", of.plural, ref.name, undefined, {}, () => this.#existing(of.plural, ref.name)),
    create: (of, object) => {
      const name = object.metadata?.name ?? "";
      return this.#answer("create", of.plural, name, undefined, object, () => {
        if (this.#objects.has(`${of.plural}/${name}`)) throw alreadyExists(name);
        return this.#store(of.plural, { ...object, metadata: { ...object.metadata, uid: `uid-${++this.#uid}` } });
      });
    },
    replaceMeta: async (of, object) => {
      const name = object.metadata?.name ?? "";
      const answer = await this.#answer<Json>("replace", of.plural, name, undefined, object, () => {
        const old = meta(this.#existing(of.plural, name));
        if (object.metadata?.resourceVersion !== old["resourceVersion"])
          throw new VirtualKubeletError("Conflict", "version");
        return this.#store(of.plural, { ...object, metadata: { ...object.metadata, uid: old["uid"] } });
      });
      return { uid: String(meta(answer)["uid"]), resourceVersion: String(meta(answer)["resourceVersion"]) };
    },
    patch: (of, ref, _type, patch, options) => {
      const body: Json = copy(patch);
      return this.#answer("patch", of.plural, ref.name, options?.subresource, body, () => {
        const old = this.#existing(of.plural, ref.name);
        const version = part(body, "metadata")["resourceVersion"];
        if (version !== undefined && version !== meta(old)["resourceVersion"])
          throw new VirtualKubeletError("Conflict", "version");
        return this.#store(of.plural, merged(old, body));
      });
    },
    delete: async (of, ref, options) => {
      await this.#answer("delete", of.plural, ref.name, undefined, { uid: options?.uid }, () => {
        const old = this.#existing(of.plural, ref.name);
        if (options?.uid !== undefined && options.uid !== meta(old)["uid"])
          throw new VirtualKubeletError("Conflict", "uid");
        this.remove(of.plural, ref.name);
        return {};
      });
    },
    watch: (of, options) => this.#watch(of.plural, options?.signal),
  });

  /** The object, for a test to look into; undefined when there is none. */
  object<T>(plural: string, name: string): T | undefined {
    const object = this.#objects.get(`${plural}/${name}`);
    return object === undefined ? undefined : copy<T>(object);
  }

  /** Somebody else's write. */
  edit(plural: string, name: string, change: (object: Json) => Json): void {
    this.#store(plural, change(copy(this.#existing(plural, name))));
  }

  /** Somebody else's deletion. */
  remove(plural: string, name: string): void {
    const object = this.#existing(plural, name);
    this.#objects.delete(`${plural}/${name}`);
    const metadata = { ...meta(object), resourceVersion: String(++this.#version) };
    this.#tell(plural, { type: "DELETED", object: { ...object, metadata } });
  }

  /** Calls since the last time, that write: `verb plural/name[/subresource]`. */
  writes(): readonly string[] {
    const writes = this.calls.filter(({ verb }) => verb !== "get");
    this.calls.length = 0;
    return writes.map(({ verb, plural, name, subresource }) =>
      [`${verb} ${plural}`, name, ...(subresource === undefined ? [] : [subresource])].join("/"),
    );
  }

  async #answer<T>(
    verb: MemoryCall["verb"],
    plural: string,
    name: string,
    subresource: string | undefined,
    body: object,
    act: () => object,
  ): Promise<T> {
    const call: MemoryCall = { verb, plural, name, subresource, body: copy(body) };
    this.calls.push(call);
    await Promise.resolve();
    const fault = this.fault(call);
    if (fault !== undefined) throw fault;
    return copy<T>(act());
  }

  #existing(plural: string, name: string): Json {
    const object = this.#objects.get(`${plural}/${name}`);
    if (object === undefined) throw new VirtualKubeletError("NotFound", `no ${plural}/${name}`, { httpStatus: 404 });
    return object;
  }

  #store(plural: string, object: object): Json {
    const next: Json = this.rewrite(copy(object));
    const key = `${plural}/${String(meta(next)["name"])}`;
    const type = this.#objects.has(key) ? "MODIFIED" : "ADDED";
    next["metadata"] = { ...meta(next), resourceVersion: String(++this.#version) };
    this.#objects.set(key, next);
    this.#tell(plural, { type, object: next });
    return next;
  }

  #tell(plural: string, event: Json): void {
    if (plural === "nodes") for (const tell of this.#watchers) tell(event);
  }

  async *#watch<E>(plural: string, signal: AbortSignal | undefined): AsyncGenerator<E> {
    const pending: Json[] = [...this.#objects]
      .filter(([key]) => key.startsWith(`${plural}/`))
      .map(([, object]) => ({ type: "ADDED", object }));
    pending.push({ type: "BOOKMARK", resourceVersion: String(this.#version), initialEventsEnd: true });
    let wake = Promise.withResolvers<void>();
    const tell = (event: Json): void => {
      pending.push(event);
      wake.resolve();
    };
    const stop = (): void => wake.resolve();
    this.#watchers.add(tell);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      for (;;) {
        for (let event = pending.shift(); event !== undefined; event = pending.shift()) yield copy<E>(event);
        if (signal?.aborted === true) throw new VirtualKubeletError("Aborted", "aborted");
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#watchers.delete(tell);
    }
  }
}

function alreadyExists(name: string): VirtualKubeletError {
  return new VirtualKubeletError("Conflict", `${name} exists`, { httpStatus: 409, reason: "AlreadyExists" });
}

/** Merge patch, and of strategic ones what Nodes need: conditions by type, lists replaced or deleted from by `$patch`. */
function merged(old: Json, patch: Json): Json {
  const result: Json = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    const before = old[key];
    if (value === null) delete result[key];
    else if (key.startsWith("$")) continue;
    else if (key === "conditions" && isList(value)) result[key] = mergedByType(isList(before) ? before : [], value);
    else if (isList(value)) result[key] = value.filter((item) => item["$patch"] === undefined);
    else if (isJson(value)) result[key] = merged(isJson(before) ? before : {}, value);
    else result[key] = value;
  }
  return result;
}

function mergedByType(old: readonly Json[], patch: readonly Json[]): readonly Json[] {
  const byType = new Map(old.map((item) => [item["type"], item]));
  for (const item of patch) {
    if (item["$patch"] === "delete") byType.delete(item["type"]);
    else byType.set(item["type"], { ...byType.get(item["type"]), ...item });
  }
  return [...byType.values()];
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is readonly Json[] => Array.isArray(value);
const part = (object: Json, key: string): Json => {
  const value = object[key];
  return isJson(value) ? value : {};
};
const meta = (object: Json): Json => part(object, "metadata");

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<T>(value: unknown): T {
  const read: T = JSON.parse(JSON.stringify(value));
  return read;
}
