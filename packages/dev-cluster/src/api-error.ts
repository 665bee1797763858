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
      ...(this.reason === "" ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

function detailsOf(subject: Subject, causes?: readonly Cause[]): JsonObject {
  return {
    ...(subject.name === undefined ? {} : { name: subject.name }),
    ...(subject.group === undefined || subject.group === "" ? {} : { group: subject.group }),
    kind: subject.kind,
    ...(subject.uid === undefined ? {} : { uid: subject.uid }),
    ...(causes === undefined ? {} : { causes: causes.map((cause) => ({ ...cause })) }),
  };
}

/** `pods "x"`, `deployments.apps "x"`. */
function titleOf({ group, kind, name }: Subject): string {
  const full = `${kind}${group === undefined || group === "" ? "" : `.${group}`}`;
  return name === undefined ? full : `${full} ${JSON.stringify(name)}`;
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function notFound(subject: Subject): ApiError {
  return new ApiError(404, "NotFound", `${titleOf(subject)} not found`, detailsOf(subject));
}

export function noSuchResource(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(subject: Subject): ApiError {
  return new ApiError(409, "AlreadyExists", `${titleOf(subject)} already exists`, detailsOf(subject));
}

export function conflict(subject: Subject, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${titleOf(subject)}: ${why}`;
  return new ApiError(409, "Conflict", message, detailsOf(subject));
}

export const modifiedMeanwhile =
  "the object has been modified; please apply your changes to the latest version and try again";

export function forbidden(subject: Subject, why: string, causes?: readonly Cause[]): ApiError {
  return new ApiError(403, "Forbidden", `${titleOf(subject)} is forbidden: ${why}`, detailsOf(subject, causes));
}

/** `subject.kind` is the kind here. */
export function invalid(subject: Subject, causes: readonly Cause[]): ApiError {
  const said = causes.map(({ field, message }) => `${field}: ${message}`);
  const what = said.length === 1 ? said[0] : `[${said.join(", ")}]`;
  return new ApiError(422, "Invalid", `${titleOf(subject)} is invalid: ${what}`, detailsOf(subject, causes));
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

export const requiredValue = (field: string, message = "Required value"): Cause => ({
  reason: "FieldValueRequired",
  message,
  field,
});
export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${JSON.stringify(value) ?? "null"}: ${why}`,
  field,
});
export const forbiddenValue = (field: string, why: string): Cause => ({
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
  field,
});
export const unsupportedValue = (field: string, value: unknown, supported: readonly string[]): Cause => ({
  reason: "FieldValueNotSupported",
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((each) => JSON.stringify(each)).join(", ")}`,
  field,
});
