// The refusals of the API, as metav1.Status says them.
import type { JsonObject } from "./json.ts";

export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** What a refusal is about: the resource (its plural, or its kind where a document was refused) and the name. */
export interface Subject {
  readonly group?: string;
  readonly kind: string;
  readonly name?: string | undefined;
  readonly uid?: string;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  status(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason || undefined,
      details: this.details,
      code: this.code,
    };
  }
}

/** A refusal about something: `pods "x" not found`, `deployments.apps "x" already exists`. */
function about(
  code: number,
  reason: string,
  { group, kind, name, uid }: Subject,
  say: (title: string) => string,
  causes?: readonly Cause[],
): ApiError {
  const full = group ? `${kind}.${group}` : kind;
  const title = name === undefined ? full : `${full} ${JSON.stringify(name)}`;
  const details = { name, group: group || undefined, kind, uid, causes: causes?.map((cause) => ({ ...cause })) };
  return new ApiError(code, reason, say(title), details);
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function notFound(subject: Subject): ApiError {
  return about(404, "NotFound", subject, (title) => `${title} not found`);
}

export function noSuchResource(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(subject: Subject): ApiError {
  return about(409, "AlreadyExists", subject, (title) => `${title} already exists`);
}

export function conflict(subject: Subject, why: string): ApiError {
  return about(409, "Conflict", subject, (title) => `Operation cannot be fulfilled on ${title}: ${why}`);
}

export const modifiedMeanwhile =
  "the object has been modified; please apply your changes to the latest version and try again";

export function forbidden(subject: Subject, why: string, causes?: readonly Cause[]): ApiError {
  return about(403, "Forbidden", subject, (title) => `${title} is forbidden: ${why}`, causes);
}

/** `subject.kind` is the kind here. */
export function invalid(subject: Subject, causes: readonly Cause[]): ApiError {
  const said = causes.map(({ field, message }) => `${field}: ${message}`);
  const what = said.length === 1 ? said[0] : `[${said.join(", ")}]`;
  return about(422, "Invalid", subject, (title) => `${title} is invalid: ${what}`, causes);
}

export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

/** For what a real API server does and this one does not. */
export function notHere(what: string): ApiError {
  return new ApiError(501, "NotImplemented", `the development cluster does not do this: ${what}`);
}

function cause(kind: string, field: string, message: string): Cause {
  return { reason: `FieldValue${kind}`, message, field };
}

export const requiredValue = (field: string, message = "Required value"): Cause => cause("Required", field, message);
export const invalidValue = (field: string, value: unknown, why: string): Cause =>
  cause("Invalid", field, `Invalid value: ${JSON.stringify(value) ?? "null"}: ${why}`);
export const forbiddenValue = (field: string, why: string): Cause => cause("Forbidden", field, `Forbidden: ${why}`);
export const unsupportedValue = (field: string, value: unknown, supported: readonly string[]): Cause => {
  const values = supported.map((each) => JSON.stringify(each)).join(", ");
  return cause("NotSupported", field, `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`);
};
