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
    return this.reason(user, asked) !== undefined;
  }

  /** Why it is allowed, "" where that needs no words; undefined where it is not. */
  reason(user: User, asked: Attributes): string | undefined {
    if (user.groups.includes("system:masters")) return "";
    for (const { binding, subject } of this.#bindingsOf(user, asked.namespace)) {
      if (!list(this.#roleOf(binding), "rules").some((rule) => ruleAllows(rule, asked))) continue;
      const role = `${text(binding, "roleRef", "kind")} ${JSON.stringify(text(binding, "roleRef", "name"))}`;
      const whom = [text(subject, "name"), text(subject, "namespace")].filter(Boolean).join("/");
      const namespace = text(binding, "metadata", "namespace");
      const name = [text(binding, "metadata", "name"), namespace].filter(Boolean).join("/");
      const kind = namespace === "" ? "ClusterRoleBinding" : "RoleBinding";
      return `RBAC: allowed by ${kind} ${JSON.stringify(name)} of ${role} to ${text(subject, "kind")} ${JSON.stringify(whom)}`;
    }
    return undefined;
  }

  /** All rules that hold for a user in a namespace; "" for those that hold everywhere. */
  rulesOf(user: User, namespace: string): readonly Json[] {
    return this.#bindingsOf(user, namespace).flatMap(({ binding }) => list(this.#roleOf(binding), "rules"));
  }

  #bindingsOf(user: User, namespace: string): readonly { readonly binding: JsonObject; readonly subject: Json }[] {
    const bindings = [
      ...this.#store.list("clusterrolebindings.rbac.authorization.k8s.io"),
      ...(namespace === "" ? [] : this.#store.list("rolebindings.rbac.authorization.k8s.io", namespace)),
    ];
    return bindings.flatMap((binding) => {
      const subject = list(binding, "subjects").find((each) => isSubject(each, user, binding));
      return subject === undefined ? [] : [{ binding, subject }];
    });
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
