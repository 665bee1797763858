// The one engine under every kind: objects are made, read, changed and deleted here, whatever they are. Synchronous: a call
// sees one state of the cluster.
import { randomInt, randomUUID } from "node:crypto";
import { internalWrite, type StrategyContext, timestamp, type WriteOptions } from "./access.ts";
import { admit } from "./admission.ts";
import { apiData, type Resource } from "./api-data.ts";
import {
  type ApiError,
  alreadyExists,
  badRequest,
  type Cause,
  conflict,
  forbidden,
  invalid,
  invalidValue,
  modifiedMeanwhile,
  notFound,
  requiredValue,
  type Subject,
} from "./api-error.ts";
import { Authorizer, attributes } from "./authorization.ts";
import { confine, hasStatus } from "./confine.ts";
import { type DeleteRequest, type Deletion, isHeld, planDeletion } from "./deletion.ts";
import { requireNoEscalation } from "./escalation.ts";
import { at, equal, isObject, type Json, type JsonObject, merge, object, put, text, texts } from "./json.ts";
import { nameFault } from "./names.ts";
import { mergePatch } from "./patches.ts";
import { conform, undecodable } from "./schema.ts";
import type { Store } from "./store.ts";
import { changeFaults, type Strategy, strategies } from "./strategies.ts";
import { shownBy, toStored, versionFaults } from "./versions.ts";

export interface Change {
  /** Which part of the object it may change: "" all but the status. */
  readonly subresource?: string;
  /** The object as it shall be; what it may not change is put back. */
  readonly to: (current: JsonObject) => JsonObject;
  /** It is a patch: a UID that is another one is a fault of the document then, not of the state. */
  readonly isPatch?: boolean;
}

export class Api {
  readonly store: Store;
  readonly now: () => number;
  /** All that is served, in all versions. */
  readonly resources: readonly Resource[];
  readonly #resources: ReadonlyMap<string, Resource>;
  readonly #authorizer: Authorizer;

  constructor(options: {
    readonly store: Store;
    readonly now: () => number;
    /** Default: what every API server has. */
    readonly resources?: readonly Resource[];
  }) {
    this.store = options.store;
    this.now = options.now;
    this.resources = options.resources ?? apiData().resources;
    this.#authorizer = new Authorizer(options.store);
    this.#resources = new Map(this.resources.filter(({ isStored }) => isStored).map((each) => [each.key, each]));
  }

  /** The stored one, by its key, as `pods` or `deployments.apps`. Throws where there is none: a mistake of the caller. */
  resource(key: string): Resource {
    const found = this.#resources.get(key);
    if (found === undefined) throw new TypeError(`no resource ${key}`);
    return found;
  }

  get(resource: Resource, namespace: string, name: string): JsonObject {
    const found = this.store.get(resource.key, namespace, name);
    if (found === undefined) throw notFound(subjectOf(resource, name));
    return found;
  }

  create(resource: Resource, namespace: string, document: Json, options: WriteOptions = internalWrite): JsonObject {
    const given = this.#conformed(resource, document, options);
    const named = this.#named(resource, namespace, given);
    const name = text(named, "metadata", "name");
    if (text(named, "metadata", "resourceVersion") !== "") {
      throw badRequest("resourceVersion should not be set on objects to be created");
    }
    if (resource.namespaced) this.#requireNamespace(resource, namespace, name);
    const strategy = strategyOf(resource);
    let made = merge(named, ["metadata"], {
      uid: randomUUID(),
      creationTimestamp: timestamp(this.now()),
      deletionTimestamp: undefined,
      deletionGracePeriodSeconds: undefined,
      generation: resource.counts ? 1 : undefined,
    });
    const finalizers = new Set([...texts(made, "metadata", "finalizers"), ...resource.finalizers]);
    if (finalizers.size > 0) made = put(made, ["metadata", "finalizers"], [...finalizers]);
    if (hasStatus(resource)) {
      const given = strategy.keepsStatus === true ? object(made, "status") : {};
      made = put(made, ["status"], mergePatch(resource.firstStatus, given));
    }
    made = admit(resource, made, this);
    made = strategy.create?.(made, this.#context(options)) ?? made;
    const faults = [...(strategy.faults?.(made) ?? []), ...versionFaults(resource, made, undefined)];
    this.#refuseFaults(resource, made, [...nameFault(resource, name), ...faults]);
    requireNoEscalation(this.store, this.#authorizer, options.user, resource.key, made, undefined);
    if (this.store.get(resource.key, namespace, name) !== undefined) throw alreadyExists(subjectOf(resource, name));
    return options.dryRun ? made : this.store.write(resource.key, made);
  }

  /** Makes what was to be changed and is not there, for who may make it. */
  createInstead(
    resource: Resource,
    namespace: string,
    name: string,
    document: JsonObject,
    options: WriteOptions,
  ): JsonObject {
    const asked = attributes({ verb: "create", group: resource.group, resource: resource.name, namespace, name });
    if (!this.#authorizer.allows(options.user, asked)) {
      const why = `User ${JSON.stringify(options.user.name)} cannot create resource ${JSON.stringify(resource.name)}`;
      throw forbidden(subjectOf(resource, name), why);
    }
    return this.create(resource, namespace, document, options);
  }

  /** Returns the object as it is then; as it was where nothing changed. */
  update(
    resource: Resource,
    namespace: string,
    name: string,
    change: Change,
    options: WriteOptions = internalWrite,
  ): JsonObject {
    const { subresource = "", isPatch = false } = change;
    const strategy = strategyOf(resource);
    const current = this.store.get(resource.key, namespace, name);
    if (current === undefined) {
      const subject = subjectOf(resource, name);
      if (!resource.createdByUpdate || isPatch || subresource !== "") throw notFound(subject);
      const wanted = change.to({});
      const uid = text(wanted, "metadata", "uid");
      requireName(subject, wanted);
      // The object that is meant is gone.
      if (uid !== "") throw conflict(subject, otherUid(uid, ""));
      const made = put(wanted, ["metadata", "resourceVersion"], undefined);
      return this.createInstead(resource, namespace, name, made, options);
    }
    const wanted = this.#conformed(resource, change.to(shownBy(resource, current)), options, isPatch);
    this.#checkIdentity(resource, current, wanted, isPatch);
    let next = confine(resource, strategy, subresource, wanted, current);
    if (subresource === "") {
      next = strategy.update?.(next, current, this.#context(options)) ?? next;
      const faults = [...changeFaults(strategy, next, current), ...versionFaults(resource, next, current)];
      this.#refuseFaults(resource, next, faults);
    }
    requireNoEscalation(this.store, this.#authorizer, options.user, resource.key, next, current);
    if (equal(next, current)) return current;
    const isOther = (part: (of: JsonObject) => Json | undefined): boolean => !equal(part(next), part(current));
    const isCounted =
      (resource.counts && isOther((of) => ({ ...of, metadata: undefined, status: undefined }))) ||
      (strategy.counts ?? []).some((field) => isOther((of) => at(of, "metadata", field)));
    if (isCounted) {
      next = put(next, ["metadata", "generation"], Number(object(current, "metadata")["generation"] ?? 0) + 1);
    }
    if (options.dryRun) return next;
    const kept = this.store.write(resource.key, next);
    return this.#removeIfDone(resource, kept) ?? kept;
  }

  /** Returns the object as it was last, and whether it is gone. */
  delete(
    resource: Resource,
    namespace: string,
    name: string,
    request: DeleteRequest = {},
    options: WriteOptions = internalWrite,
  ): Deletion {
    const current = this.get(resource, namespace, name);
    const plan = planDeletion(resource, current, request, this.now());
    if (options.dryRun) return { object: plan.next ?? plan.last ?? current, gone: plan.next === undefined };
    if (plan.next !== undefined) {
      const kept = equal(plan.next, current) ? current : this.store.write(resource.key, plan.next);
      return { object: kept, gone: false };
    }
    return { object: this.store.remove(resource.key, namespace, name, plan.last) ?? current, gone: true };
  }

  /** What was being deleted ends with its last finalizer. */
  #removeIfDone(resource: Resource, kept: JsonObject): JsonObject | undefined {
    if (text(kept, "metadata", "deletionTimestamp") === "" || isHeld(resource, kept)) return undefined;
    if (Number(object(kept, "metadata")["deletionGracePeriodSeconds"] ?? 0) > 0) return undefined;
    return this.store.remove(resource.key, text(kept, "metadata", "namespace"), text(kept, "metadata", "name"));
  }

  #context(options: WriteOptions): StrategyContext {
    return { user: options.user, list: (key) => this.store.list(key) };
  }

  /** In the form that it is kept in. */
  #conformed(resource: Resource, document: Json, options: WriteOptions, isPatch = false): JsonObject {
    const { kind, version, apiVersion } = resource;
    if (!isObject(document)) throw badRequest(`the object provided is unrecognized (must be of type ${kind})`);
    const given = { apiVersion: text(document, "apiVersion") || apiVersion, kind: text(document, "kind") || kind };
    if (given.apiVersion !== apiVersion) {
      const expected = `does not match the expected API version (${apiVersion})`;
      throw badRequest(`the API version in the data (${given.apiVersion}) ${expected}`);
    }
    if (given.kind !== kind)
      throw undecodable(kind, version, `converting (${given.kind}) to (${kind}): unknown conversion`, given.kind);
    const { value, unknown, causes } = conform(document, resource.schema, kind, version);
    const said = unknown.map((path) => `unknown field "${path}"`);
    if (said.length > 0 && options.fieldValidation === "Strict") {
      const why = `strict decoding error: ${said.join(", ")}`;
      if (isPatch) throw invalid({ group: "", kind: "", name: "" }, [invalidValue("patch", document, why)]);
      throw undecodable(kind, version, why);
    }
    if (options.fieldValidation === "Warn") for (const each of said) options.warn(each);
    this.#refuseFaults(resource, value, causes);
    const whole = { kind, apiVersion, metadata: {}, ...value };
    if (resource.isStored) return whole;
    const stored = this.resource(resource.key);
    return conform(toStored(resource, stored, whole), stored.schema, stored.kind, stored.version).value;
  }

  #named(resource: Resource, namespace: string, given: JsonObject): JsonObject {
    const prefix = text(given, "metadata", "generateName");
    let name = text(given, "metadata", "name");
    if (name === "" && prefix !== "") name = `${prefix}${randomSuffix()}`;
    if (name === "") {
      const why = "Required value: name or generateName is required";
      throw invalid({ group: resource.group, kind: resource.kind, name: "" }, [requiredValue("metadata.name", why)]);
    }
    const own = text(given, "metadata", "namespace");
    if (own !== "" && own !== namespace) throw otherNamespace();
    return merge(given, ["metadata"], { name, namespace: resource.namespaced ? namespace : undefined });
  }

  #requireNamespace(resource: Resource, namespace: string, name: string): void {
    const found = this.store.get("namespaces", "", namespace);
    if (found === undefined) throw notFound({ kind: "namespaces", name: namespace });
    if (text(found, "metadata", "deletionTimestamp") === "") return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const message = `namespace ${namespace} is being terminated`;
    throw forbidden(subjectOf(resource, name), why, [
      { reason: "NamespaceTerminating", message, field: "metadata.namespace" },
    ]);
  }

  #checkIdentity(resource: Resource, current: JsonObject, wanted: JsonObject, isPatch: boolean): void {
    const subject = subjectOf(resource, text(current, "metadata", "name"));
    requireName(subject, wanted);
    const namespace = text(wanted, "metadata", "namespace");
    if (!["", text(current, "metadata", "namespace")].includes(namespace)) throw otherNamespace();
    const uid = text(wanted, "metadata", "uid");
    const own = text(current, "metadata", "uid");
    if (uid !== "" && uid !== own) {
      if (isPatch) this.#refuseFaults(resource, current, [invalidValue("metadata.uid", uid, "field is immutable")]);
      throw conflict(subject, otherUid(uid, own));
    }
    const version = text(wanted, "metadata", "resourceVersion");
    if (version !== "" && version !== "0" && version !== text(current, "metadata", "resourceVersion")) {
      throw conflict(subject, modifiedMeanwhile);
    }
  }

  #refuseFaults(resource: Resource, about: JsonObject, faults: readonly Cause[]): void {
    if (faults.length === 0) return;
    const { group, kind } = this.resource(resource.key);
    throw invalid({ group, kind, name: text(about, "metadata", "name") }, faults);
  }
}

export function subjectOf(resource: Resource, name: string): Subject & { readonly name: string } {
  return { group: resource.group, kind: resource.name, name };
}

/** Throws BadRequest for an object with another name than the one that is asked for. */
export function requireName(asked: { readonly name: string }, found: JsonObject): void {
  const name = text(found, "metadata", "name");
  if (["", asked.name].includes(name)) return;
  throw badRequest(`the name of the object (${name}) does not match the name on the URL (${asked.name})`);
}

function otherNamespace(): ApiError {
  return badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

function otherUid(wanted: string, found: string): string {
  return `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${found}`;
}

function strategyOf(resource: Resource): Strategy {
  return strategies[resource.key] ?? {};
}

function randomSuffix(): string {
  const letters = "bcdfghjklmnpqrstvwxz2456789";
  return Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join("");
}
