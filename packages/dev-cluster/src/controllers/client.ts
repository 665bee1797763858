// The cluster as one controller reads and changes it, and tells of it under its name. Objects say themselves what they are of.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import type { Resource } from "../api-data.ts";
import { type Condition, withCondition } from "../conditions.ts";
import type { DeleteRequest } from "../deletion.ts";
import { isList, isObject, type Json, type JsonObject, list, merge, number, object, put, text } from "../json.ts";
import { selects } from "../selectors.ts";
import type { Store } from "../store.ts";
import {
  controllerOf,
  hashOf,
  isFinished,
  isGoing,
  labelsOf,
  nameOf,
  namespaceOf,
  ownedBy,
  referenceTo,
  uidOf,
  without,
} from "./objects.ts";

export class Client {
  readonly #api: Api;
  readonly #component: string;

  constructor(api: Api, component: string) {
    this.#api = api;
    this.#component = component;
  }

  get store(): Store {
    return this.#api.store;
  }

  now(): number {
    return this.#api.now();
  }

  /** What is referred to from a namespace, if it has a number of replicas to change. */
  scalable(reference: Json | undefined, namespace: string): JsonObject | undefined {
    const resource = this.#find(reference);
    const canScale = resource?.subresources.some(({ name }) => name === "scale") === true;
    return canScale ? this.store.get(resource.key, namespace, text(reference, "name")) : undefined;
  }

  /** Pods that a document selects. */
  selected(selector: Json | undefined, namespace: string): readonly JsonObject[] {
    return this.store.list("pods", namespace).filter((pod) => selects(selector, labelsOf(pod)));
  }

  /** Objects of a resource that an owner controls. */
  controlled(resource: string, owner: JsonObject): readonly JsonObject[] {
    const uid = uidOf(owner);
    return this.store.list(resource, namespaceOf(owner)).filter((each) => text(controllerOf(each), "uid") === uid);
  }

  /** An owner takes what it selects and nobody controls, if it may, and gives up what it does not select any more. */
  claim(resource: string, owner: JsonObject, mayTake: (each: JsonObject) => boolean): void {
    const selector = object(owner, "spec", "selector");
    // Services select by bare labels, and what they make has others.
    if (!isObject(selector["matchLabels"]) && !isList(selector["matchExpressions"])) return;
    const path = ["metadata", "ownerReferences"];
    for (const each of this.store.list(resource, namespaceOf(owner)).filter((one) => !isGoing(one))) {
      const uid = text(controllerOf(each), "uid");
      const isSelected = selects(selector, labelsOf(each));
      if (uid === "" && isSelected && !isFinished(each) && mayTake(each))
        this.change(each, (now) => put(now, path, [...list(now, ...path), ...ownedBy(owner).ownerReferences]));
      else if (uid === uidOf(owner) && !isSelected)
        this.change(each, (now) => without(now, path, (reference) => text(reference, "uid") === uid));
    }
  }

  create(resource: string, namespace: string, document: JsonObject): JsonObject {
    return this.#api.create(this.#api.resource(resource), namespace, document);
  }

  /** Makes an object that an owner controls, beside it. */
  createFor(owner: JsonObject, resource: string, document: JsonObject): JsonObject {
    return this.create(resource, namespaceOf(owner), merge(document, ["metadata"], ownedBy(owner)));
  }

  /** Makes an object, or sets what is said here of the one that has its name. */
  ensure(resource: string, namespace: string, document: JsonObject & { readonly metadata: JsonObject }): void {
    const { metadata } = document;
    const known = this.store.get(resource, namespace, text(metadata, "name"));
    if (known === undefined) this.create(resource, namespace, document);
    else this.change(known, (now) => ({ ...now, ...document, metadata: { ...object(now, "metadata"), ...metadata } }));
  }

  /** Changes an object as it is now; of its status or another part, where that is said. */
  change(of: JsonObject, to: (now: JsonObject) => JsonObject, subresource = ""): JsonObject {
    return this.#api.update(this.#resource(of), namespaceOf(of), nameOf(of), { subresource, to });
  }

  /** Deletes an object, if it is still this one. */
  remove(of: JsonObject, request: DeleteRequest = {}): void {
    this.#api.delete(this.#resource(of), namespaceOf(of), nameOf(of), { uid: uidOf(of), ...request });
  }

  /** Sets fields (undefined takes one away) and conditions in the status of an object as it is now; writes no news that is none. */
  writeStatus(of: JsonObject, fields: JsonObject, conditions: readonly Condition[] = [], part = "status"): JsonObject {
    const to = (now: JsonObject): JsonObject => {
      const before = list(now, "status", "conditions");
      const after = conditions.reduce((all, each) => withCondition(all, each, this.now()), before);
      return merge(now, ["status"], after.length > 0 ? { ...fields, conditions: after } : fields);
    };
    return this.change(of, to, part);
  }

  /** One event for each thing that is said of an object; the same again is counted. */
  tell(about: JsonObject, type: "Normal" | "Warning", reason: string, message: string): void {
    const namespace = namespaceOf(about) || "default";
    if (isGoing(this.store.get("namespaces", "", namespace))) return;
    const name = `${nameOf(about)}.${hashOf([uidOf(about), reason, message])}`;
    const time = timestamp(this.now());
    const known = this.store.get("events", namespace, name);
    this.ensure("events", namespace, {
      metadata: { name },
      involvedObject: { ...referenceTo(about), resourceVersion: text(about, "metadata", "resourceVersion") },
      type,
      reason,
      message,
      source: { component: this.#component },
      reportingComponent: this.#component,
      firstTimestamp: text(known, "firstTimestamp") || time,
      lastTimestamp: time,
      count: (number(known, "count") ?? 0) + 1,
    });
  }

  #resource(of: JsonObject): Resource {
    const found = this.#find(of);
    if (found === undefined) throw new TypeError(`no resource of ${text(of, "apiVersion")} ${text(of, "kind")}`);
    return found;
  }

  /** By `apiVersion` and `kind`, of an object or of what refers to one. */
  #find(of: Json | undefined): Resource | undefined {
    const [group = ""] = text(of, "apiVersion").split("/").slice(0, -1);
    const kind = text(of, "kind");
    return this.#api.resources.find((each) => each.isStored && each.kind === kind && each.group === group);
  }
}
