// Who writes roles and bindings gives nobody what they do not have themselves, unless they may `escalate` or `bind`.
import type { User } from "./access.ts";
import { forbidden, notFound } from "./api-error.ts";
import { type Attributes, type Authorizer, attributes, everything } from "./authorization.ts";
import { equal, isObject, type Json, type JsonObject, list, text, texts } from "./json.ts";
import type { Store } from "./store.ts";

const group = "rbac.authorization.k8s.io";

/** Throws Forbidden for a role or binding that gives more; `before` is undefined for a new one. `key`: of its resource. */
export function requireNoEscalation(
  store: Store,
  authorizer: Authorizer,
  user: User,
  key: string,
  next: JsonObject,
  before: JsonObject | undefined,
): void {
  const [, resource = ""] = /^((?:cluster)?role(?:binding)?s)\.rbac\.authorization\.k8s\.io$/.exec(key) ?? [];
  const isBinding = resource.endsWith("bindings");
  const fields = isBinding ? ["roleRef", "subjects"] : ["rules", "aggregationRule"];
  const same = before !== undefined && fields.every((field) => equal(next[field], before[field]));
  if (resource === "" || same) return;
  const namespace = text(next, "metadata", "namespace");
  const name = isBinding ? text(next, "roleRef", "name") : text(next, "metadata", "name");
  const role = !isBinding ? resource : text(next, "roleRef", "kind") === "ClusterRole" ? "clusterroles" : "roles";
  const verb = isBinding ? "bind" : "escalate";
  if (authorizer.allows(user, attributes({ verb, group, resource: role, namespace, name }))) return;
  const given = isBinding ? store.get(`${role}.${group}`, role === "roles" ? namespace : "", name) : next;
  if (given === undefined) throw notFound({ group, kind: role, name });
  // An aggregated role may come to have any rule.
  const rules = isObject(given["aggregationRule"]) && !isBinding ? everything : list(given, "rules");
  const more = rules.filter((rule) => !atoms(rule, namespace).every((atom) => authorizer.allows(user, atom)));
  if (more.length === 0) return;
  const who = `user ${JSON.stringify(user.name)} (groups=${JSON.stringify(user.groups)})`;
  const what = more.map((rule) => JSON.stringify(rule)).join("\n");
  const subject = { group, kind: resource, name: text(next, "metadata", "name") };
  throw forbidden(subject, `${who} is attempting to grant RBAC permissions not currently held:\n${what}`);
}

/** What a rule allows, one by one; `*` is held by who has `*`. */
function atoms(rule: Json, namespace: string): readonly Attributes[] {
  // No rule names an object so: a rule for all names is held by who has one for all names.
  const names = texts(rule, "resourceNames").length === 0 ? ["*"] : texts(rule, "resourceNames");
  return texts(rule, "verbs").flatMap((verb) => [
    ...texts(rule, "nonResourceURLs").map((path) => attributes({ verb, path })),
    ...texts(rule, "apiGroups").flatMap((each) =>
      texts(rule, "resources").flatMap((resource) =>
        names.map((name) => attributes({ verb, group: each, resource, namespace, name })),
      ),
    ),
  ]);
}
