// Which HTTP status and text an error becomes, by its kind. Pure.
import { type ErrorKind, errorText, VirtualKubeletError } from "../errors.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import type { TextAnswer } from "./request-gate.ts";

/** Where the backend refuses us or has a limit, that is a fault behind us, not the caller's. */
const statuses: Readonly<Record<ErrorKind, number>> = {
  NotFound: 404,
  Invalid: 400,
  Unsupported: 501,
  Conflict: 409,
  Quota: 503,
  Throttled: 503,
  Unavailable: 503,
  Unauthorized: 500,
  Forbidden: 500,
  Expired: 500,
  Aborted: 503,
  Internal: 500,
};

export function errorAnswer(error: unknown): TextAnswer {
  if (error instanceof UpgradeRefusal) return { status: error.status, body: error.message, headers: error.headers };
  const { kind, retryAfterMs } = VirtualKubeletError.from(error);
  const headers = retryAfterMs === undefined ? {} : { "Retry-After": String(Math.ceil(retryAfterMs / 1000)) };
  return { status: statuses[kind], body: `${errorText(error)}\n`, headers };
}
