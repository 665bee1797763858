// What was asked of the API, by whom, and how it was answered: as events of audit.k8s.io at level Metadata, one for each request.
import { randomUUID } from "node:crypto";
import { timestamp, type UserInfo, userInfo } from "./access.ts";
import type { Callers } from "./authentication.ts";
import type { Route } from "./route.ts";

/** What is undefined does not apply. */
export interface AuditEvent {
  readonly kind: "Event";
  readonly apiVersion: "audit.k8s.io/v1";
  readonly level: "Metadata";
  readonly stage: "ResponseComplete";
  readonly auditID: string;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: UserInfo;
  readonly impersonatedUser: UserInfo | undefined;
  readonly userAgent: string | undefined;
  /** Of requests for a resource alone. */
  readonly objectRef:
    | Readonly<
        Record<"apiGroup" | "apiVersion" | "resource" | "subresource" | "namespace" | "name", string | undefined>
      >
    | undefined;
  readonly responseStatus: { readonly code: number };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

export type Audit = (event: AuditEvent) => void;

/** To be told the code of the answer, and the name of what was made; the first time counts. */
export type Audited = (code: number, name?: string) => void;

/** Tells of one request, which is received now. */
export function auditor(
  audit: Audit | undefined,
  request: { readonly url: string; readonly userAgent: string | undefined },
  route: Route,
  { caller, other }: Callers,
  now: () => number,
): Audited {
  const received = now();
  let isTold = false;
  return (code, name) => {
    if (isTold) return;
    isTold = true;
    audit?.({
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      stage: "ResponseComplete",
      auditID: randomUUID(),
      requestURI: request.url,
      verb: route.verb,
      user: userInfo(caller),
      impersonatedUser: other && userInfo(other),
      userAgent: request.userAgent,
      objectRef: objectOf(route, name),
      responseStatus: { code },
      requestReceivedTimestamp: timestamp(received),
      stageTimestamp: timestamp(now()),
    });
  };
}

function objectOf(
  { resource, subresource, namespace, name }: Route,
  made: string | undefined,
): AuditEvent["objectRef"] {
  return (
    resource && {
      apiGroup: resource.group || undefined,
      apiVersion: resource.version,
      resource: resource.name,
      subresource: subresource || undefined,
      namespace: namespace || undefined,
      name: name || made || undefined,
    }
  );
}
