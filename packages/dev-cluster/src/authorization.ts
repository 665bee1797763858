// Who may do what, by the roles and bindings in the cluster (RBAC).
import type { User } from "./access.ts";
import { type Json, type JsonObject, list, text, texts } from "./json.ts";
import type { Store } from "./store.ts";

export interface Attributes {
  readonly verb: string;
  readonly group: string;
  /** With the sub-resource: `pods/log`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** For requests of no resource; "" otherwise. */
  readonly path: string;
}

export class Authorizer {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  allows(user: User, asked: Attributes): boolean {
    if (user.groups.includes("system:masters")) return true;
    return this.rulesOf(user, asked.namespace).some((rule) => ruleAllows(rule, asked));
  }

  /** All rules that hold for a user in a namespace; "" for those that hold everywhere. */
  rulesOf(user: User, namespace: string): readonly Json[] {
    const bindings = [
      ...this.#store.list("clusterrolebindings.rbac.authorization.k8s.io"),
      ...(namespace === "" ? [] : this.#store.list("rolebindings.rbac.authorization.k8s.io", namespace)),
    ];
    return bindings
      .filter((binding) => list(binding, "subjects").some((subject) => isSubject(subject, user, binding)))
      .flatMap((binding) => list(this.#roleOf(binding), "rules"));
  }

  #roleOf(binding: JsonObject): JsonObject | undefined {
    const name = text(binding, "roleRef", "name");
    if (text(binding, "roleRef", "kind") === "ClusterRole") {
      return this.#store.get("clusterroles.rbac.authorization.k8s.io", "", name);
    }
    return this.#store.get("roles.rbac.authorization.k8s.io", text(binding, "metadata", "namespace"), name);
  }
}

function isSubject(subject: Json, user: User, binding: JsonObject): boolean {
  const name = text(subject, "name");
  switch (text(subject, "kind")) {
    case "User":
      return user.name === name;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount": {
      const namespace = text(subject, "namespace") || text(binding, "metadata", "namespace");
      return user.name === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

function ruleAllows(rule: Json, asked: Attributes): boolean {
  const has = (field: string, wanted: string): boolean => {
    const values = texts(rule, field);
    return values.includes("*") || values.includes(wanted);
  };
  if (!has("verbs", asked.verb)) return false;
  if (asked.path !== "") {
    return texts(rule, "nonResourceURLs").some(
      (each) => each === asked.path || (each.endsWith("*") && asked.path.startsWith(each.slice(0, -1))),
    );
  }
  const [, subresource] = asked.resource.split("/");
  const resources = texts(rule, "resources");
  const named = resources.includes(asked.resource) || resources.includes("*") || resources.includes(`*/${subresource}`);
  const names = texts(rule, "resourceNames");
  return named && has("apiGroups", asked.group) && (names.length === 0 || names.includes(asked.name));
}
