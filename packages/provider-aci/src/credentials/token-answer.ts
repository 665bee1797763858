// Answers of those who give tokens. Pure.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { HttpAnswer } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import { retryAfterMs } from "../arm/arm-error.ts";
import type { AccessToken } from "./token-source.ts";

const seconds = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+(\.\d+)?$/), v.transform(Number))]),
  v.number(),
);
const success = v.object({
  access_token: v.pipe(v.string(), v.minLength(1)),
  expires_in: v.optional(seconds),
  /** Epoch seconds; App Service writes dates here in old versions. */
  expires_on: v.optional(
    v.union([
      seconds,
      v.pipe(
        v.string(),
        v.transform((text) => Date.parse(text) / 1000),
      ),
    ]),
  ),
  refresh_in: v.optional(seconds),
});
const failure = v.object({ error: v.string(), error_description: v.optional(v.string()) });

/** `who` is for messages. Never quotes a success. */
export function tokenOf(answer: HttpAnswer, who: string, now: number): AccessToken {
  const body = jsonOf(answer.text);
  if (answer.status !== 200) throw refusal(answer, body, who, now);
  const parsed = v.safeParse(success, body);
  if (!parsed.success) throw new VirtualKubeletError("Unavailable", `${who} gave an answer without a token`);
  const { access_token, expires_in, expires_on, refresh_in } = parsed.output;
  const until = expires_in === undefined ? (expires_on ?? Number.NaN) * 1000 : now + expires_in * 1000;
  return {
    token: access_token,
    expiresAt: Number.isFinite(until) ? until : now + 5 * 60_000,
    refreshAt: refresh_in === undefined ? undefined : now + refresh_in * 1000,
  };
}

function refusal(answer: HttpAnswer, body: unknown, who: string, now: number): VirtualKubeletError {
  const parsed = v.safeParse(failure, body);
  const code = parsed.success ? parsed.output.error : `HTTP ${answer.status}`;
  // The first line: the rest are trace ids and times.
  const words = parsed.success ? (parsed.output.error_description ?? "").split(/\r?\n/)[0] : "";
  const details = { httpStatus: answer.status, reason: code, retryAfterMs: retryAfterMs(answer.headers, now) };
  const message = `${who} gave no token: ${code}${words === "" ? "" : `: ${words}`}`.slice(0, 1000);
  if (answer.status === 429) return new VirtualKubeletError("Throttled", message, details);
  const isRefused = answer.status >= 400 && answer.status < 500 && answer.status !== 408;
  return new VirtualKubeletError(isRefused ? "Unauthorized" : "Unavailable", message, details);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not a giver of tokens: a proxy, or a page.
    return undefined;
  }
}
