// The API server's failures in our vocabulary: Status objects and HTTP codes, mapped here and nowhere else.
import { type ErrorKind, VirtualKubeletError } from "../errors.ts";

function kindOf(code: number): ErrorKind {
  switch (code) {
    case 400:
    case 413:
    case 422:
      return "Invalid";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
    case 406:
    case 415:
    case 501:
      return "Unsupported";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "Throttled";
    default:
      return code >= 500 ? "Unavailable" : "Internal";
  }
}

/** Retry-After as milliseconds: seconds, or a date. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** `status` is a decoded `v1.Status`, or whatever came in its place. */
export function statusError(
  status: unknown,
  code: number,
  what: string,
  waitMs: number | undefined,
): VirtualKubeletError {
  const record = isRecord(status) && status["kind"] === "Status" ? status : undefined;
  const message = typeof record?.["message"] === "string" && record["message"] !== "" ? record["message"] : undefined;
  const reason = typeof record?.["reason"] === "string" && record["reason"] !== "" ? record["reason"] : undefined;
  const details = isRecord(record?.["details"]) ? record["details"] : undefined;
  const seconds = details?.["retryAfterSeconds"];
  const causes = Array.isArray(details?.["causes"]) ? details["causes"] : [];
  const first: unknown = causes[0];
  const field = isRecord(first) && typeof first["field"] === "string" ? first["field"] : undefined;
  return new VirtualKubeletError(kindOf(code), `${what}: ${message ?? reason ?? `HTTP status ${code}`}`, {
    httpStatus: code,
    reason,
    field,
    retryAfterMs: waitMs ?? (typeof seconds === "number" && seconds > 0 ? seconds * 1000 : undefined),
  });
}

/** The error for an answer that is no success. */
export function answerError(
  answer: { readonly status: number; readonly retryAfter: string | undefined; readonly body: Buffer },
  what: string,
  now: number,
): VirtualKubeletError {
  const text = answer.body.toString("utf8");
  let status: unknown;
  try {
    status = JSON.parse(text);
  } catch {
    // Gateways and the API server's own filters answer in plain text.
    status = { kind: "Status", message: text.trim().slice(0, 300) };
  }
  return statusError(status, answer.status, what, retryAfterMs(answer.retryAfter, now));
}

/** The error of a watch's ERROR event, whose object is a Status. */
export function watchError(status: unknown, what: string): VirtualKubeletError {
  const code = isRecord(status) && typeof status["code"] === "number" ? status["code"] : 500;
  return statusError(status, code, what, undefined);
}
