// The query of a request for a container's log -> what is wanted, or why it cannot be. Pure.
import { formatInstant, type Instant, instantOf, parseInstant } from "./log-time.ts";

/** v1.PodLogOptions, decoded. */
export interface LogRequest {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Of sinceTime or sinceSeconds. Absent: all. */
  readonly since: Instant | undefined;
  /** 0: none. Absent: all. */
  readonly tailLines: number | undefined;
  /** At least 1. */
  readonly limitBytes: number | undefined;
  /** Absent: both. */
  readonly stream: "Stdout" | "Stderr" | undefined;
}

/** An answer in place of a log: plain text, as it is. */
export interface LogRefusal {
  readonly status: number;
  readonly text: string;
}

export type LogQuery =
  | { readonly request: LogRequest; readonly refusal?: undefined }
  | { readonly request?: undefined; readonly refusal: LogRefusal };

const undecodable: LogRefusal = { status: 400, text: `{"message": "Unable to decode query."}` };
const invalid: LogRefusal = { status: 422, text: `{"message": "Invalid request."}` };

const smallest = -(2n ** 63n);
const largest = 2n ** 63n - 1n;
/** Before every log; a year that ISO 8601 still writes with four digits. */
const earliest = Date.UTC(1, 0, 1);

/** `now` in epoch milliseconds. Of a key that is there twice the first counts; unknown keys are passed over. */
export function parseLogQuery(query: URLSearchParams, now: number): LogQuery {
  const tail = query.get("tail") ?? "";
  const tailLines = integer(tail === "" ? query.get("tailLines") : tail === "all" ? null : tail);
  const limitBytes = integer(query.get("limitBytes"));
  const sinceSeconds = integer(query.get("sinceSeconds"));
  const sinceTime = time(query.get("sinceTime"));
  if (tailLines === "no" || limitBytes === "no" || sinceSeconds === "no" || sinceTime === "no") {
    return { refusal: undecodable };
  }
  const stream = query.get("stream") ?? "All";
  if (stream !== "All" && stream !== "Stdout" && stream !== "Stderr") return { refusal: invalid };
  const isOneStream = stream !== "All";
  if (
    (tailLines !== undefined && (tailLines < 0 || isOneStream)) ||
    (limitBytes !== undefined && limitBytes < 1) ||
    (sinceSeconds !== undefined && (sinceSeconds < 1 || sinceTime !== undefined))
  ) {
    return { refusal: invalid };
  }
  const request: LogRequest = {
    follow: boolean(query.get("follow")),
    previous: boolean(query.get("previous")),
    timestamps: boolean(query.get("timestamps")),
    since:
      sinceSeconds === undefined
        ? sinceTime === "all"
          ? undefined
          : sinceTime
        : instantOf(Math.max(earliest, now - sinceSeconds * 1000)),
    tailLines,
    limitBytes,
    stream: isOneStream ? stream : undefined,
  };
  return { request };
}

/** `since` as a provider is given it. */
export function sinceTimeOf(since: Instant | undefined): string | undefined {
  return since === undefined ? undefined : formatInstant(since);
}

/** Only "false" in any case, "0" and absence are false. */
function boolean(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

/** A decimal integer of 64 bits; more than a number can hold exactly is as good as exact here. */
function integer(value: string | null): number | undefined | "no" {
  if (value === null) return undefined;
  if (!/^[+-]?\d+$/.test(value)) return "no";
  const exact = BigInt(value.replace(/^\+/, ""));
  return exact < smallest || exact > largest ? "no" : Number(exact);
}

/** An empty time is the zero time: there, and before every line. */
function time(value: string | null): Instant | "all" | undefined | "no" {
  if (value === null) return undefined;
  if (value === "" || value === "null") return "all";
  return parseInstant(value) ?? "no";
}
