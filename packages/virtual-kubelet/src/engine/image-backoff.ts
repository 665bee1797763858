// An image that cannot be had is told as an error first, and as a back-off while that lasts. Pure.
import type { StartError } from "./pod-facts.ts";

const freshMs = 5000;

const pullErrors: ReadonlySet<string> = new Set(["ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"]);

export function isPullBackoff({ reason, at, againAt }: StartError, now: number): boolean {
  return pullErrors.has(reason) && now >= at + freshMs && now < againAt;
}

/** When the word for it changes, epoch milliseconds; undefined when it does not. */
export function backoffBeginsAt({ reason, at }: StartError, now: number): number | undefined {
  return pullErrors.has(reason) && now < at + freshMs ? at + freshMs : undefined;
}
