// The pods of an API in memory, as far as pod controllers see one: versions, UIDs, selection by node, the status sub-resource,
// graceful deletion, finalizers, preconditions, a history that can be compacted. The real API server has the last word, in e2e/.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import { scriptedClient } from "./scripted-client.ts";

type Json = Record<string, unknown>;

/** What a controller asked of the API; watches aside. */
export interface PodCall {
  readonly verb: "list" | "patch" | "put" | "delete";
  readonly name: string;
  readonly uid: string | undefined;
  readonly body: unknown;
}

interface Past {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Stored<Pod>;
}

interface Selection {
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export class MemoryPods {
  /** Calls that were answered well. */
  readonly calls: PodCall[] = [];
  /** What no kubelet may do, in words. */
  readonly sins: string[] = [];
  /** Awaited before each call takes effect; what it throws is the answer, and nothing happens. */
  before: (call: PodCall) => Promise<void> | void = () => {};
  /** Awaited after each call took effect; what it throws is the answer all the same. */
  after: (call: PodCall) => Promise<void> | void = () => {};
  /** Thrown by what begins a watch, while set. */
  watchFault: ((fieldSelector: string) => VirtualKubeletError | undefined) | undefined;
  readonly #objects = new Map<string, Stored<Pod>>();
  readonly #now: () => number;
  #history: Past[] = [];
  #version = 100;
  #compacted = 100;
  #nextUid = 1;
  readonly #watchers = new Set<() => void>();
  #cut = new AbortController();

  constructor(now: () => number) {
    this.#now = now;
  }

  readonly client: KubeClient = scriptedClient({
    list: (_of, options = {}) =>
      this.#answer("list", options.fieldSelector ?? "", undefined, options, () => ({
        items: [...this.#objects.values()].filter((pod) => selects(options, pod)),
        resourceVersion: String(this.#version),
      })),
    watch: (_of, options = {}) => this.#watch(options, options.sendInitialEvents === true, options.resourceVersion),
    patchMeta: (_of, ref, _type, patch, options) =>
      this.#answer("patch", ref.name, uidOf(patch), patch, () => {
        if (options?.subresource !== "status") throw new VirtualKubeletError("Unsupported", "only /status");
        const pod = this.#existing(ref.namespace, ref.name);
        const uid = uidOf(patch);
        if (uid !== undefined && uid !== pod.metadata.uid)
          throw new VirtualKubeletError("Invalid", "metadata.uid: Invalid value: field is immutable", {
            httpStatus: 422,
          });
        const { metadata, status } = merged(copy<Json>(pod), copy<Json>(patch));
        return this.#written(pod, { ...pod, ...copy<object>({ metadata, status }) });
      }),
    replaceMeta: (_of, object, options) =>
      this.#answer("put", object.metadata?.name ?? "", uidOf(object), object, () => {
        if (options?.subresource !== "status") throw new VirtualKubeletError("Unsupported", "only /status");
        const pod = this.#existing(object.metadata?.namespace, object.metadata?.name ?? "");
        const { uid, resourceVersion } = pod.metadata;
        if (object.metadata?.uid !== uid || object.metadata.resourceVersion !== resourceVersion)
          throw new VirtualKubeletError("Conflict", "the object has been modified", { httpStatus: 409 });
        const { status } = copy<{ readonly status: PodStatus }>(object);
        return this.#written(pod, { ...pod, status });
      }),
    delete: (_of, ref, options = {}) =>
      this.#answer("delete", ref.name, options.uid, { gracePeriodSeconds: options.gracePeriodSeconds }, () => {
        const pod = this.#existing(ref.namespace, ref.name);
        if (options.uid !== undefined && options.uid !== pod.metadata.uid)
          throw new VirtualKubeletError("Conflict", "Precondition failed: UID", { httpStatus: 409 });
        const { deletionTimestamp } = pod.metadata;
        if (options.gracePeriodSeconds === 0 && (deletionTimestamp === undefined || !ended(pod.status)))
          this.sins.push(`DELETE with grace 0 of ${ref.name}, phase ${pod.status?.phase}`);
        this.#delete(pod, options.gracePeriodSeconds);
        return undefined;
      }),
  });

  /** A pod bound to `node`, as a controller and the scheduler leave it. */
  create(node: string, name: string, more: { readonly metadata?: object; readonly spec?: object } = {}): Stored<Pod> {
    if (this.#objects.has(`default/${name}`)) throw new VirtualKubeletError("Conflict", `${name} exists`);
    const spec = { nodeName: node, restartPolicy: "Always", terminationGracePeriodSeconds: 30 };
    const uid = `uid-${this.#nextUid++}`;
    const pod: Stored<Pod> = {
      metadata: { namespace: "default", name, generation: 1, ...more.metadata, uid, resourceVersion: "" },
      spec: { ...spec, containers: [{ name: "main", image: "i" }], ...more.spec },
      status: { phase: "Pending", qosClass: "BestEffort" },
    };
    this.#store("ADDED", pod);
    return pod;
  }

  get(name: string): Stored<Pod> | undefined {
    return this.#objects.get(`default/${name}`);
  }

  all(): readonly Stored<Pod>[] {
    return [...this.#objects.values()];
  }

  /** Somebody else's write; of the spec it raises the generation, of finalizers it may end the object. */
  edit(name: string, change: (pod: Stored<Pod>) => Stored<Pod>): void {
    const before = this.#existing("default", name);
    const after = change(before);
    const generation = (before.metadata.generation ?? 0) + (after.spec === before.spec ? 0 : 1);
    const pod = { ...after, metadata: { ...after.metadata, generation } };
    const { deletionGracePeriodSeconds, finalizers } = pod.metadata;
    if (deletionGracePeriodSeconds === 0 && (finalizers?.length ?? 0) === 0) this.#end(pod);
    else this.#store("MODIFIED", pod);
  }

  /** A user's deletion; 0: by force. */
  remove(name: string, gracePeriodSeconds?: number): void {
    this.#delete(this.#existing("default", name), gracePeriodSeconds);
  }

  /** Breaks all watches; with `compact`, what they have missed is only to be seen by reading anew. */
  cutWatches(compact = false): void {
    if (compact) this.#compacted = ++this.#version;
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  /** Calls since the last time, with the phase that was written. */
  writes(): readonly string[] {
    const writes = this.calls.filter(({ verb }) => verb !== "list").map((call) => told(call));
    this.calls.length = 0;
    return writes;
  }

  async #answer<T>(
    verb: PodCall["verb"],
    name: string,
    uid: string | undefined,
    body: unknown,
    act: () => unknown,
  ): Promise<T> {
    const call: PodCall = { verb, name, uid, body };
    await this.before(call);
    const result = act();
    this.calls.push(call);
    const answer = result === undefined ? result : copy<unknown>(result);
    await this.after(call);
    return copy<T>(answer ?? null);
  }

  #existing(namespace: string | undefined, name: string): Stored<Pod> {
    const pod = this.#objects.get(`${namespace}/${name}`);
    if (pod === undefined) throw new VirtualKubeletError("NotFound", `no pod ${name}`, { httpStatus: 404 });
    return pod;
  }

  #written(before: Stored<Pod>, after: Stored<Pod>): { readonly uid: string; readonly resourceVersion: string } {
    const { name, uid } = before.metadata;
    if (ended(before.status) && before.status?.phase !== after.status?.phase)
      this.sins.push(`${name} left ${before.status?.phase} for ${after.status?.phase}`);
    const { resourceVersion } = this.#store("MODIFIED", after).metadata;
    return { uid, resourceVersion };
  }

  #delete(pod: Stored<Pod>, asked: number | undefined): void {
    const { deletionTimestamp, deletionGracePeriodSeconds: before } = pod.metadata;
    const wanted = ended(pod.status) ? 0 : (asked ?? before ?? pod.spec?.terminationGracePeriodSeconds ?? 30);
    if (deletionTimestamp !== undefined && wanted >= (before ?? 0) && wanted > 0) return;
    const generation = (pod.metadata.generation ?? 0) + (deletionTimestamp === undefined ? 1 : 0);
    const at = deletionTimestamp ?? new Date(this.#now() + wanted * 1000).toISOString();
    const metadata = { ...pod.metadata, generation, deletionTimestamp: at, deletionGracePeriodSeconds: wanted };
    if (wanted === 0 && (pod.metadata.finalizers?.length ?? 0) === 0) this.#end({ ...pod, metadata });
    else this.#store("MODIFIED", { ...pod, metadata });
  }

  #end(pod: Stored<Pod>): void {
    this.#store("DELETED", pod);
  }

  #store(type: Past["type"], pod: Stored<Pod>): Stored<Pod> {
    const version = ++this.#version;
    const object = copy<Stored<Pod>>({ ...pod, metadata: { ...pod.metadata, resourceVersion: String(version) } });
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    if (type === "DELETED") this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#history.push({ version, type, object });
    if (this.#history.length > 5000) this.#history = this.#history.slice(-2500);
    for (const wake of this.#watchers) wake();
    return object;
  }

  async *#watch<E>(
    options: Selection & { readonly signal?: AbortSignal | undefined },
    initial: boolean,
    from: string | undefined,
  ): AsyncGenerator<E> {
    const fault = this.watchFault?.(options.fieldSelector ?? "");
    if (fault !== undefined) throw fault;
    const cut = this.#cut.signal;
    let wake = (): void => {};
    const onWake = (): void => wake();
    this.#watchers.add(onWake);
    cut.addEventListener("abort", onWake);
    options.signal?.addEventListener("abort", onWake);
    let seen = initial ? this.#version : Number(from);
    try {
      if (initial) {
        const objects = [...this.#objects.values()].filter((pod) => selects(options, pod));
        for (const object of objects) yield copy<E>({ type: "ADDED", object });
        yield copy<E>({ type: "BOOKMARK", resourceVersion: String(seen), initialEventsEnd: true });
      }
      for (;;) {
        if (seen < this.#compacted) throw new VirtualKubeletError("Expired", "too old resource version");
        const news = this.#history.filter(({ version }) => version > seen);
        for (const { version, type, object } of news) {
          seen = version;
          if (selects(options, object)) yield copy<E>({ type, object });
        }
        if (options.signal?.aborted === true) throw new VirtualKubeletError("Aborted", "aborted");
        if (cut.aborted) throw new VirtualKubeletError("Unavailable", "the watch broke");
        if (this.#history.some(({ version }) => version > seen)) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#watchers.delete(onWake);
      cut.removeEventListener("abort", onWake);
      options.signal?.removeEventListener("abort", onWake);
    }
  }
}

function told({ verb, name, body }: PodCall): string {
  if (verb === "delete") return `delete ${name}`;
  const phase = copy<{ readonly status?: { readonly phase?: string } }>(body).status?.phase;
  return phase === undefined ? `${verb} ${name}` : `${verb} ${name} ${phase}`;
}

function ended(status: PodStatus | undefined): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

function selects({ namespace, fieldSelector }: Selection, pod: Stored<Pod>): boolean {
  if (namespace !== undefined && namespace !== pod.metadata.namespace) return false;
  const terms = (fieldSelector ?? "").split(",").filter((term) => term !== "");
  return terms.every((term) => {
    const [, field, operator, value] = /^([a-zA-Z.]+)(!?=)(.*)$/.exec(term) ?? [];
    const actual = field === "spec.nodeName" ? (pod.spec?.nodeName ?? "") : pod.metadata.name;
    return operator === "!=" ? actual !== value : actual === value;
  });
}

function uidOf(body: unknown): string | undefined {
  return copy<{ readonly metadata?: { readonly uid?: string } }>(body).metadata?.uid;
}

const mergeKeys: Readonly<Record<string, string>> = { conditions: "type", podIPs: "ip", hostIPs: "ip" };

/** A strategic merge of what pod statuses hold: some lists by key, others replaced whole, null deletes. */
function merged(old: Json, patch: Json): Json {
  const result: Json = { ...old };
  for (const [key, value] of Object.entries(patch)) {
    const before = old[key];
    const mergeKey = mergeKeys[key];
    if (value === null) delete result[key];
    else if (mergeKey !== undefined && isList(value))
      result[key] = mergedByKey(isList(before) ? before : [], value, mergeKey);
    else if (isJson(value)) result[key] = merged(isJson(before) ? before : {}, value);
    else result[key] = value;
  }
  return result;
}

function mergedByKey(old: readonly Json[], patch: readonly Json[], mergeKey: string): readonly Json[] {
  const isReplacement = patch.some((item) => item["$patch"] === "replace");
  const byKey = new Map(isReplacement ? [] : old.map((item) => [item[mergeKey], item]));
  for (const item of patch) {
    if (item["$patch"] === "replace") continue;
    if (item["$patch"] === "delete") byKey.delete(item[mergeKey]);
    else byKey.set(item[mergeKey], merged(byKey.get(item[mergeKey]) ?? {}, item));
  }
  return [...byKey.values()];
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** Through JSON, whose type the reader names: as every object that comes from a server. */
function copy<T>(value: unknown): T {
  const read: T = JSON.parse(JSON.stringify(value));
  return read;
}
