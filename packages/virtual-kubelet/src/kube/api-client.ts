// The API client: the verbs of client.ts as HTTP calls, and their answers as checked objects.
import type { Clock } from "../clock.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchOptions,
  PatchType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
  WrittenMeta,
} from "./client.ts";
import { type KubeObject, type Resource, resourcePath, type Stored } from "./resource.ts";
import { type Call, defaultTimeoutMs, type RetryingCaller } from "./retrying-caller.ts";
import { isObject, isStored } from "./stored.ts";
import { decodeWatch } from "./watch-stream.ts";

const patchContentType: Readonly<Record<PatchType, string>> = {
  strategic: "application/strategic-merge-patch+json",
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml",
};

/** Metadata alone; whole objects where the server cannot cut them down. */
const metaOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const pageSize = 500;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

function queryOf(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

export interface ApiClientOptions {
  /** Without credentials, for messages. */
  readonly server: string;
  /** Prefix of all paths, where the API is not at the server's root; no slash at its end. */
  readonly basePath: string;
  readonly caller: RetryingCaller;
  /** Named in writes that name none. */
  readonly fieldManager: string;
  readonly clock: Clock;
}

export class ApiClient implements KubeClient {
  readonly server: string;
  readonly #base: string;
  readonly #caller: RetryingCaller;
  readonly #fieldManager: string;
  readonly #clock: Clock;

  constructor(options: ApiClientOptions) {
    this.server = options.server;
    this.#base = options.basePath;
    this.#caller = options.caller;
    this.#fieldManager = options.fieldManager;
    this.#clock = options.clock;
  }

  async get<T extends KubeObject>(of: Resource<T>, ref: ObjectRef, options: CallOptions = {}): Promise<Stored<T>> {
    const call = this.#call("get", "GET", of, ref);
    return stored(await this.#json(call, options), of, call.what);
  }

  async list<T extends KubeObject>(of: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, namespace } = options;
    let limit: number | undefined = options.limit ?? pageSize;
    let items: Stored<T>[] = [];
    let next: string | undefined;
    // The time given is for all pages.
    const deadline = this.#clock.now() + (options.timeoutMs ?? defaultTimeoutMs);
    for (;;) {
      // A page's token says which version it belongs to.
      const from: Query = next === undefined ? { resourceVersion, resourceVersionMatch } : { continue: next };
      const call = this.#call("list", "GET", of, { namespace }, { labelSelector, fieldSelector, limit, ...from });
      let page: unknown;
      try {
        page = await this.#json(call, { ...options, timeoutMs: Math.max(1, deadline - this.#clock.now()) });
      } catch (error) {
        if (next === undefined || !isErrorKind(error, "Expired")) throw error;
        // Reading took longer than the server keeps the list's beginning: ask for all at once.
        limit = undefined;
        next = undefined;
        items = [];
        continue;
      }
      const metadata = isObject(page) && isObject(page["metadata"]) ? page["metadata"] : {};
      const found = isObject(page) ? (page["items"] ?? []) : undefined;
      if (!Array.isArray(found) || typeof metadata["resourceVersion"] !== "string")
        throw new VirtualKubeletError("Unavailable", `${call.what}: the answer is no list`);
      for (const item of found) items.push(stored(item, of, call.what));
      next = typeof metadata["continue"] === "string" && metadata["continue"] !== "" ? metadata["continue"] : undefined;
      if (next === undefined) return { items, resourceVersion: metadata["resourceVersion"] };
    }
  }

  watch<T extends KubeObject>(of: Resource<T>, options: WatchOptions<T> = {}): AsyncIterable<WatchEvent<T>> {
    const call = this.#call("watch", "GET", of, options, {
      watch: true,
      allowWatchBookmarks: true,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds,
      ...(options.sendInitialEvents === undefined
        ? {}
        : { sendInitialEvents: options.sendInitialEvents, resourceVersionMatch: "NotOlderThan" }),
    });
    const decode = { resource: of, what: call.what, accept: options.accept };
    return this.#caller.stream(call, options, (chunks) => decodeWatch(chunks, decode));
  }

  async create<T extends KubeObject>(
    of: Resource<T>,
    object: T,
    options: WriteOptions & { readonly name?: string | undefined } = {},
  ): Promise<Stored<T>> {
    const { subresource, name } = options;
    if (subresource !== undefined && name === undefined)
      throw new VirtualKubeletError("Internal", `create ${of.plural}/${subresource} needs the object's name`);
    const where = {
      namespace: object.metadata?.namespace,
      subresource,
      ...(subresource === undefined ? {} : { name }),
    };
    const call = this.#write("create", "POST", of, where, object, "application/json", options);
    return stored(await this.#json(call, options), of, call.what);
  }

  async replace<T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    const call = this.#replace(of, object, options);
    return stored(await this.#json(call, options), of, call.what);
  }

  async replaceMeta<T extends KubeObject>(
    of: Resource<T>,
    object: T,
    options: WriteOptions = {},
  ): Promise<WrittenMeta> {
    const call = { ...this.#replace(of, object, options), accept: metaOnly };
    return this.#written(call, options);
  }

  async patch<T extends KubeObject>(
    of: Resource<T>,
    ref: ObjectRef,
    type: PatchType,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<Stored<T>> {
    const call = this.#patch(of, ref, type, patch, options);
    return stored(await this.#json(call, options), of, call.what);
  }

  async patchMeta<T extends KubeObject>(
    of: Resource<T>,
    ref: ObjectRef,
    type: PatchType,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<WrittenMeta> {
    const call = { ...this.#patch(of, ref, type, patch, options), accept: metaOnly };
    return this.#written(call, options);
  }

  async delete<T extends KubeObject>(of: Resource<T>, ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const { gracePeriodSeconds, uid, resourceVersion, propagationPolicy } = options;
    const preconditions = { uid, resourceVersion };
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      gracePeriodSeconds,
      propagationPolicy,
      ...(uid === undefined && resourceVersion === undefined ? {} : { preconditions }),
    };
    const call = this.#call("delete", "DELETE", of, ref);
    // Nobody reads the answer: its metadata alone costs the server least.
    const sent = { ...call, body: JSON.stringify(body), contentType: "application/json", accept: metaOnly };
    await this.#caller.request(sent, options);
  }

  async createSubresource<A extends KubeObject>(
    of: Resource<KubeObject>,
    ref: ObjectRef,
    subresource: string,
    body: unknown,
    options: CallOptions = {},
  ): Promise<A> {
    const call = this.#write("create", "POST", of, { ...ref, subresource }, body, "application/json", {});
    const answer = await this.#json(call, options);
    if (!isAnswer<A>(answer)) throw new VirtualKubeletError("Unavailable", `${call.what}: the answer is no object`);
    return answer;
  }

  async review<T extends KubeObject>(of: Resource<T>, question: T, options: CallOptions = {}): Promise<T> {
    const call = this.#write("create", "POST", of, {}, question, "application/json", {});
    const answer = await this.#json(call, options);
    if (!isAnswer<T>(answer)) throw new VirtualKubeletError("Unavailable", `${call.what}: the answer is no object`);
    return answer;
  }

  getRaw(path: string, options: CallOptions = {}): Promise<unknown> {
    const what = `get ${path.replace(/\?.*/, "")}`;
    return this.#json({ verb: "get", resource: "raw", what, method: "GET", path: this.#base + path }, options);
  }

  close(): Promise<void> {
    return this.#caller.close();
  }

  #call(verb: string, method: Call["method"], of: Resource<KubeObject>, where: Where, query: Query = {}): Call {
    if (of.namespaced && where.name !== undefined && where.namespace === undefined)
      throw new VirtualKubeletError("Internal", `${verb} ${of.plural} ${where.name} needs a namespace`);
    const resource = where.subresource === undefined ? of.plural : `${of.plural}/${where.subresource}`;
    const target = [of.namespaced ? where.namespace : undefined, where.name].filter((part) => part !== undefined);
    const what = target.length === 0 ? `${verb} ${resource}` : `${verb} ${resource} ${target.join("/")}`;
    return { verb, resource, what, method, path: this.#base + resourcePath(of, where) + queryOf(query) };
  }

  #write(
    verb: string,
    method: Call["method"],
    of: Resource<KubeObject>,
    where: Where,
    body: unknown,
    contentType: string,
    options: { readonly fieldManager?: string | undefined; readonly force?: boolean | undefined },
  ): Call {
    const query = { fieldManager: options.fieldManager ?? this.#fieldManager, force: options.force };
    return { ...this.#call(verb, method, of, where, query), body: JSON.stringify(body), contentType };
  }

  #replace<T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions): Call {
    const { name, namespace } = object.metadata ?? {};
    if (name === undefined) throw new VirtualKubeletError("Internal", `replace ${of.plural} needs metadata.name`);
    const where = { name, namespace, subresource: options.subresource };
    return this.#write("replace", "PUT", of, where, object, "application/json", options);
  }

  #patch(of: Resource<KubeObject>, ref: ObjectRef, type: PatchType, patch: unknown, options: PatchOptions): Call {
    const where = { ...ref, subresource: options.subresource };
    // The server takes `force` for apply alone.
    const parameters = { fieldManager: options.fieldManager, force: type === "apply" ? options.force : undefined };
    return this.#write("patch", "PATCH", of, where, patch, patchContentType[type], parameters);
  }

  async #written(call: Call, options: CallOptions): Promise<WrittenMeta> {
    const body = await this.#caller.request(call, options);
    return writtenMeta(body) ?? written(parsed(body, call), call.what);
  }

  async #json(call: Call, options: CallOptions): Promise<unknown> {
    return parsed(await this.#caller.request(call, options), call);
  }
}

function parsed(body: Buffer, call: Call): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new VirtualKubeletError("Unavailable", `${call.what}: the answer is no JSON`, { cause: error });
  }
}

const metaMark = Buffer.from('"kind":"PartialObjectMetadata",');
const metaEnd = Buffer.from('"managedFields":[');

/**
 * UID and resource version of a PartialObjectMetadata without parsing all of it, most of which is managedFields. Only of
 * an answer in the server's own shape, where both stand before labels could be taken for them; else undefined.
 */
function writtenMeta(body: Buffer): WrittenMeta | undefined {
  const mark = body.indexOf(metaMark);
  if (mark < 0 || mark > 64) return undefined;
  const end = body.indexOf(metaEnd);
  const text = body.toString("latin1", 0, end < 0 ? Math.min(body.length, 1024) : Math.min(end, 1024));
  const match = /"uid":"([0-9a-f-]+)","resourceVersion":"(\d+)"/.exec(text);
  const [, uid, resourceVersion] = match ?? [];
  return uid === undefined || resourceVersion === undefined ? undefined : { uid, resourceVersion };
}

interface Where {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

function stored<T extends KubeObject>(value: unknown, of: Resource<T>, what: string): Stored<T> {
  if (isStored(value, of)) return value;
  throw new VirtualKubeletError("Unavailable", `${what}: an object without name, uid or resource version`);
}

function written(value: unknown, what: string): WrittenMeta {
  const { uid, resourceVersion } = isObject(value) && isObject(value["metadata"]) ? value["metadata"] : {};
  if (typeof uid === "string" && typeof resourceVersion === "string") return { uid, resourceVersion };
  throw new VirtualKubeletError("Unavailable", `${what}: an answer without uid or resource version`);
}

function isAnswer<A extends KubeObject>(value: unknown): value is A {
  return isObject(value);
}
