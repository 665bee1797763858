// Completes texts that wait for a pod's addresses. Pure.
import type { LateField, LateText } from "../resolved-pod.ts";

export interface Addresses {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

/** Addresses that are not there are empty; lists are separated by commas. */
export function completed(text: LateText, addresses: Addresses): string {
  if (typeof text === "string") return text;
  return text.map((part) => (typeof part === "string" ? part : addressOf(part.fieldPath, addresses))).join("");
}

function addressOf(field: LateField, { podIPs, hostIPs }: Addresses): string {
  switch (field) {
    case "status.podIP":
      return podIPs[0] ?? "";
    case "status.podIPs":
      return podIPs.join(",");
    case "status.hostIP":
      return hostIPs[0] ?? "";
    case "status.hostIPs":
      return hostIPs.join(",");
  }
}
