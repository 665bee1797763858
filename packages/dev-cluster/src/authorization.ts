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

/** Those that are given; the others are "". */
export function attributes({
  subresource = "",
  ...given
}: { readonly [each in keyof Attributes | "subresource"]?: string | undefined }): Attributes {
  const { verb = "", group = "", resource = "", namespace = "", name = "", path = "" } = given;
  return { verb, group, resource: subresource === "" ? resource : `${resource}/${subresource}`, namespace, name, path };
}

/** The rules of who may do anything. */
export const everything: readonly Json[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

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
    const all = user.groups.includes("system:masters") ? everything : [];
    return all.concat(this.#bindingsOf(user, namespace).flatMap(({ binding }) => list(this.#roleOf(binding), "rules")));
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
  const kind = text(subject, "kind");
  if (kind === "Group") return user.groups.includes(name);
  const namespace = text(subject, "namespace") || text(binding, "metadata", "namespace");
  if (kind === "ServiceAccount") return user.name === `system:serviceaccount:${namespace}:${name}`;
  return kind === "User" && user.name === name;
}

function ruleAllows(rule: Json, asked: Attributes): boolean {
  const has = (field: string, ...wanted: readonly string[]): boolean =>
    texts(rule, field).some((each) => each === "*" || wanted.includes(each));
  if (!has("verbs", asked.verb)) return false;
  if (asked.path !== "") {
    return texts(rule, "nonResourceURLs").some(
      (each) => each === asked.path || (each.endsWith("*") && asked.path.startsWith(each.slice(0, -1))),
    );
  }
  const [, subresource] = asked.resource.split("/");
  return (
    has("resources", asked.resource, `*/${subresource}`) &&
    has("apiGroups", asked.group) &&
    (list(rule, "resourceNames").length === 0 || texts(rule, "resourceNames").includes(asked.name))
  );
}
