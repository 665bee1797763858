// Names for things of a cloud that are for one pod each: readable, within the cloud's rules, and never the same for two UIDs.
import { createHash } from "node:crypto";
import { VirtualKubeletError } from "../errors.ts";

export interface ShortNameOptions {
  readonly uid: string;
  /** Most characters of the whole name; at least 25. */
  readonly max: number;
  /** Matches each single character that the name may hold. Default: a-z, 0-9 and "-". */
  readonly pattern?: RegExp | undefined;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const hashLength = 25;

/**
 * What fits of the text, in lower case, then the UID. Where that is no UUID in lower case or does not fit, a hash of it, which has no
 * hyphens: so neither can be taken for the other. Begins and ends with a letter or digit.
 */
export function shortName(text: string, { uid, max, pattern = /[a-z0-9-]/ }: ShortNameOptions): string {
  if (max < hashLength) throw new VirtualKubeletError("Internal", `a name of ${max} characters cannot hold a UID`);
  const separator = "-_.".split("").find((each) => pattern.test(each)) ?? "";
  const isWhole = uuid.test(uid) && separator === "-" && uid.length <= max;
  const suffix = isWhole ? uid : hashOf(uid);
  const safe = Array.from(text.toLowerCase(), (each) => (pattern.test(each) ? each : separator)).join("");
  const room = max - suffix.length - separator.length;
  const prefix = room < 1 ? "" : trimmed(trimmed(safe).slice(0, room));
  return prefix === "" ? suffix : `${prefix}${separator}${suffix}`;
}

function hashOf(uid: string): string {
  const digest = createHash("sha256").update(uid).digest("hex");
  return BigInt(`0x${digest}`).toString(36).padStart(50, "0").slice(-hashLength);
}

function trimmed(text: string): string {
  return text.replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
}
