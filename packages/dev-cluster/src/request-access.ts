// What authorisation is asked about a request, and how it refuses.
import type { User } from "./access.ts";
import { ApiError, forbidden } from "./api-error.ts";
import type { Callers } from "./authentication.ts";
import { type Attributes, type Authorizer, attributes } from "./authorization.ts";
import type { Route } from "./route.ts";

/** Throws Forbidden for callers who may not, or may not be whom they want to be. */
export function authorize(authorizer: Authorizer, { caller, other, user }: Callers, route: Route): void {
  const require = (who: User, asked: Attributes): void => {
    if (!authorizer.allows(who, asked)) throw refusal(who, asked);
  };
  for (const asked of impersonation(other)) require(caller, asked);
  require(user, attributesOf(route));
}

function attributesOf({ verb, resource, subresource, namespace, path, query, ...route }: Route): Attributes {
  if (resource === undefined) return attributes({ verb, path });
  const name = route.name || (["list", "watch", "deletecollection"].includes(verb) ? selectedName(query) : "");
  return attributes({ verb, group: resource.group, resource: resource.name, subresource, namespace, name });
}

/** Who selects one object by its name asks for that one alone. */
function selectedName(query: URLSearchParams): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get("fieldSelector") ?? "")?.[1] ?? "";
}

function refusal(user: User, asked: Attributes): ApiError {
  const who = JSON.stringify(user.name);
  if (asked.path !== "") {
    const what = JSON.stringify(asked.path);
    return new ApiError(403, "Forbidden", `forbidden: User ${who} cannot ${asked.verb} path ${what}`, {});
  }
  const where = asked.namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(asked.namespace)}`;
  const what = `resource ${JSON.stringify(asked.resource)} in API group ${JSON.stringify(asked.group)}`;
  const [kind = ""] = asked.resource.split("/");
  const subject = { group: asked.group, kind, name: asked.name || undefined };
  return forbidden(subject, `User ${who} cannot ${asked.verb} ${what} ${where}`);
}

/** What a caller must be allowed in order to be somebody else, in all of the groups that were asked for. */
function impersonation(other: User | undefined): readonly Attributes[] {
  if (other === undefined) return [];
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(other.name) ?? [];
  const verb = "impersonate";
  // Those that come with the name.
  const own = ["system:authenticated"];
  if (namespace !== undefined) own.push("system:serviceaccounts", `system:serviceaccounts:${namespace}`);
  if (other.name === "system:anonymous") own.push("system:unauthenticated");
  const asked = other.groups.filter((group) => !own.includes(group));
  return [
    account === undefined
      ? attributes({ verb, resource: "users", name: other.name })
      : attributes({ verb, resource: "serviceaccounts", namespace, name: account }),
    ...asked.map((name) => attributes({ verb, resource: "groups", name })),
    ...(other.uid === undefined
      ? []
      : [attributes({ verb, group: "authentication.k8s.io", resource: "uids", name: other.uid })]),
  ];
}
