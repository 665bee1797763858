// What was asked of the API, by whom, and how it was answered: as events of audit.k8s.io at level Metadata, one for each request.
import { randomUUID } from "node:crypto";
import { timestamp, type User } from "./access.ts";
import type { Route } from "./route.ts";

export interface AuditEvent {
  readonly kind: "Event";
  readonly apiVersion: "audit.k8s.io/v1";
  readonly level: "Metadata";
  readonly stage: "ResponseComplete";
  readonly auditID: string;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: AuditUser;
  readonly impersonatedUser?: AuditUser;
  readonly userAgent?: string;
  /** Of requests for a resource alone. */
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly apiVersion: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus: { readonly code: number };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

export interface AuditUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

export interface Asked {
  readonly route: Route;
  readonly url: string;
  readonly userAgent: string | undefined;
  readonly caller: User;
  /** Who the caller is taken for; undefined: nobody else. */
  readonly other: User | undefined;
}

/** Tells of one request, which is received now, once: the first code that it is given. `name`: of what was made. */
export function auditor(
  audit: ((event: AuditEvent) => void) | undefined,
  { route, url, userAgent, caller, other }: Asked,
  now: () => number,
): (code: number, name?: string) => void {
  const received = now();
  let isTold = audit === undefined;
  return (code, name) => {
    if (isTold) return;
    isTold = true;
    audit?.({
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      stage: "ResponseComplete",
      auditID: randomUUID(),
      requestURI: url,
      verb: route.verb,
      user: userOf(caller),
      ...(other === undefined ? {} : { impersonatedUser: userOf(other) }),
      ...(userAgent === undefined ? {} : { userAgent }),
      ...objectOf(route, name),
      responseStatus: { code },
      requestReceivedTimestamp: timestamp(received),
      stageTimestamp: timestamp(now()),
    });
  };
}

function userOf({ name, groups, uid }: User): AuditUser {
  return { username: name, groups, ...(uid === undefined ? {} : { uid }) };
}

function objectOf(route: Route, made = ""): Pick<AuditEvent, "objectRef"> {
  const { resource, subresource, namespace } = route;
  if (resource === undefined) return {};
  const name = route.name || made;
  const objectRef = {
    ...(resource.group === "" ? {} : { apiGroup: resource.group }),
    apiVersion: resource.version,
    resource: resource.name,
    ...(subresource === "" ? {} : { subresource }),
    ...(namespace === "" ? {} : { namespace }),
    ...(name === "" ? {} : { name }),
  };
  return { objectRef };
}
