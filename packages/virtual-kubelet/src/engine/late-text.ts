// Completes texts that wait for a pod's addresses, and for what its containers write into files. Pure.
import type { FileKey, LateField, LatePart, LateText } from "../resolved-pod.ts";

export interface Addresses {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

export interface LateValues extends Addresses {
  /** Undefined: an optional one is not there. */
  fileKey(key: FileKey): string | undefined;
}

/** Addresses that are not there are empty; lists are separated by commas. */
export function completed(text: LateText, values: LateValues): string {
  return completedOrNone(text, values) ?? "";
}

/** Undefined where a part is not there and nothing stands for it. */
export function completedOrNone(text: LateText, values: LateValues): string | undefined {
  if (typeof text === "string") return text;
  let whole = "";
  for (const part of text) {
    const value = partText(part, values);
    if (value === undefined) return undefined;
    whole += value;
  }
  return whole;
}

/** What of files is asked for by these texts, as often as it is. */
export function fileKeysOf(texts: readonly LateText[]): readonly FileKey[] {
  return texts.flatMap((text) =>
    typeof text === "string"
      ? []
      : text.flatMap((part) =>
          typeof part === "object" && "fileKey" in part
            ? [part.fileKey, ...fileKeysOf(part.otherwise === undefined ? [] : [part.otherwise])]
            : [],
        ),
  );
}

function partText(part: LatePart, values: LateValues): string | undefined {
  if (typeof part === "string") return part;
  if ("fieldPath" in part) return addressOf(part.fieldPath, values);
  if ("afterEachPodIP" in part) return values.podIPs.map((address) => address + part.afterEachPodIP).join("");
  const value = values.fileKey(part.fileKey);
  return value ?? (part.otherwise === undefined ? undefined : completedOrNone(part.otherwise, values));
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
