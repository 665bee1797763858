// The API client's contract: ten verbs on typed resources. Knows nothing of kubelets; the wire is in transport files.
import type { KubeObject, Resource, Stored } from "./resource.ts";

export interface ObjectRef {
  readonly name: string;
  /** Needed for namespaced resources. */
  readonly namespace?: string | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call with its retries; default 30 s (none for a watch). */
  readonly timeoutMs?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** All namespaces when absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan" | undefined;
  /** Page size; default 500. All pages are read. */
  readonly limit?: number | undefined;
}

export interface ObjectList<T extends KubeObject> {
  readonly items: readonly Stored<T>[];
  readonly resourceVersion: string;
}

export interface WatchOptions<T extends KubeObject = KubeObject> extends CallOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** Asks for the present state as synthetic ADDED events, ended by a bookmark (streaming list). */
  readonly sendInitialEvents?: boolean | undefined;
  /** The server ends the watch after so long; pass a jittered value. */
  readonly timeoutSeconds?: number | undefined;
  /** False leaves an object out before it is kept or yielded. */
  readonly accept?: ((object: T) => boolean) | undefined;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Stored<T> }
  | {
      readonly type: "BOOKMARK";
      readonly resourceVersion: string;
      /** True on the bookmark that ends the initial events. */
      readonly initialEventsEnd: boolean;
    };

export type PatchType = "strategic" | "merge" | "json" | "apply";

export interface PatchOptions extends CallOptions {
  readonly subresource?: string | undefined;
  /** Needed for "apply"; else the default of the client. */
  readonly fieldManager?: string | undefined;
  /** Only for "apply": take over conflicting fields. */
  readonly force?: boolean | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: string | undefined;
  readonly fieldManager?: string | undefined;
}

export interface DeleteOptions extends CallOptions {
  readonly gracePeriodSeconds?: number | undefined;
  /** The object is deleted only while it has this UID; else Conflict. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan" | undefined;
}

/** What a write answers when the object itself is not wanted: cheaper for server and client. */
export interface WrittenMeta {
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * A client of one API server with one set of credentials; safe for any number of concurrent calls; no client-side rate
 * limit. Every failure is a VirtualKubeletError: 404 NotFound, 409 Conflict (`reason` AlreadyExists or Conflict), 410
 * Expired, 401 Unauthorized, 403 Forbidden, 400 and 422 Invalid, 429 Throttled, 5xx and network Unavailable. 429 and 503
 * with Retry-After are waited out and tried again within the call's time; idempotent reads are tried again on a broken connection.
 */
export interface KubeClient {
  /** `https://host:port`, for messages; no credentials. */
  readonly server: string;
  get<T extends KubeObject>(of: Resource<T>, ref: ObjectRef, options?: CallOptions): Promise<Stored<T>>;
  list<T extends KubeObject>(of: Resource<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /**
   * One watch connection; bookmarks are always asked for. Ends when the server ends it; throws Expired on 410, be it as
   * status or as ERROR event, Unavailable when the connection breaks or stays silent although pinged. Leaving the loop closes it.
   */
  watch<T extends KubeObject>(of: Resource<T>, options?: WatchOptions<T>): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(
    of: Resource<T>,
    object: T,
    options?: WriteOptions & { readonly name?: string | undefined },
  ): Promise<Stored<T>>;
  /** PUT; Conflict when `metadata.resourceVersion` is not the newest. */
  replace<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>;
  /** PUT that does not read the object answered. */
  replaceMeta<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<WrittenMeta>;
  patch<T extends KubeObject>(
    of: Resource<T>,
    ref: ObjectRef,
    type: PatchType,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<Stored<T>>;
  /** As patch, answered as PartialObjectMetadata. */
  patchMeta<T extends KubeObject>(
    of: Resource<T>,
    ref: ObjectRef,
    type: PatchType,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<WrittenMeta>;
  /** NotFound when it is gone already. */
  delete<T extends KubeObject>(of: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** POST to a sub-resource (token, eviction, binding); answers what the server sent. */
  createSubresource<A extends KubeObject>(
    of: Resource<KubeObject>,
    ref: ObjectRef,
    subresource: string,
    body: unknown,
    options?: CallOptions,
  ): Promise<A>;
  /** POST of a question that is answered and not stored: token, access and self-subject reviews. */
  review<T extends KubeObject>(of: Resource<T>, question: T, options?: CallOptions): Promise<T>;
  /** Reads a path that is no resource, e.g. `/version`. */
  getRaw(path: string, options?: CallOptions): Promise<unknown>;
  /** Ends all connections; calls under way fail with Aborted. */
  close(): Promise<void>;
}
