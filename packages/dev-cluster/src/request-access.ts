// What authorisation is asked about a request, and how it refuses.
import type { User } from "./access.ts";
import { ApiError, forbidden } from "./api-error.ts";
import type { Attributes, Authorizer } from "./authorization.ts";
import type { Route } from "./route.ts";

export function attributesOf({ verb, resource, subresource, namespace, path, query, ...route }: Route): Attributes {
  const name = route.name || (collective.includes(verb) ? selectedName(query) : "");
  if (resource === undefined) return { verb, path, group: "", resource: "", namespace: "", name: "" };
  const full = `${resource.name}${subresource === "" ? "" : `/${subresource}`}`;
  return { verb, group: resource.group, resource: full, namespace, name, path: "" };
}

const collective: readonly string[] = ["list", "watch", "deletecollection"];

/** Who selects one object by its name asks for that one alone. */
function selectedName(query: URLSearchParams): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(query.get("fieldSelector") ?? "")?.[1] ?? "";
}

export function refusal(user: User, asked: Attributes): ApiError {
  const who = JSON.stringify(user.name);
  if (asked.path !== "") {
    return new ApiError(
      403,
      "Forbidden",
      `forbidden: User ${who} cannot ${asked.verb} path ${JSON.stringify(asked.path)}`,
      {},
    );
  }
  const where = asked.namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(asked.namespace)}`;
  const why = `User ${who} cannot ${asked.verb} resource ${JSON.stringify(asked.resource)} in API group ${JSON.stringify(asked.group)} ${where}`;
  const subject = {
    group: asked.group,
    kind: asked.resource.split("/")[0] ?? "",
    ...(asked.name === "" ? {} : { name: asked.name }),
  };
  return forbidden(subject, why);
}

/** Throws Forbidden where the caller may not be this other user, in all of its groups that were asked for. */
export function requireImpersonation(authorizer: Authorizer, caller: User, other: User): void {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(other.name);
  const whole = { verb: "impersonate", group: "", path: "" } as const;
  const asked: Attributes[] =
    account === null
      ? [{ ...whole, resource: "users", namespace: "", name: other.name }]
      : [{ ...whole, resource: "serviceaccounts", namespace: account[1] ?? "", name: account[2] ?? "" }];
  const implied = (group: string): boolean =>
    /^system:(authenticated|unauthenticated|serviceaccounts(:.*)?)$/.test(group);
  for (const name of other.groups.filter((group) => !implied(group))) {
    asked.push({ ...whole, resource: "groups", namespace: "", name });
  }
  for (const each of asked) if (!authorizer.allows(caller, each)) throw refusal(caller, each);
}
