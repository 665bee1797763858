// Fields of a pod as values of variables and content of files. Pure.
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { LateField, LateText } from "../resolved-pod.ts";
import { late } from "./late-text.ts";

const lateFields: readonly LateField[] = ["status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"];

/** The value of a field for a variable; undefined when there is no such field. */
export function environmentField(pod: Stored<Pod>, fieldPath: string): LateText | undefined {
  const lateField = lateFields.find((field) => field === fieldPath);
  if (lateField !== undefined) return late(lateField);
  switch (fieldPath) {
    case "spec.nodeName":
      return pod.spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "";
    default:
      return fieldPath === "metadata.labels" || fieldPath === "metadata.annotations"
        ? undefined
        : metadataField(pod, fieldPath);
  }
}

/** The content of a file for a field; undefined when there is no such field. */
export function volumeField(pod: Stored<Pod>, fieldPath: string): string | undefined {
  if (fieldPath === "metadata.labels") return formatMap(pod.metadata.labels);
  if (fieldPath === "metadata.annotations") return formatMap(pod.metadata.annotations);
  return metadataField(pod, fieldPath);
}

function metadataField({ metadata }: Stored<Pod>, fieldPath: string): string | undefined {
  switch (fieldPath) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid;
  }
  const [, map, key] = /^metadata\.(labels|annotations)\['(.*)'\]$/s.exec(fieldPath) ?? [];
  if (key === undefined) return undefined;
  const values = (map === "labels" ? metadata.labels : metadata.annotations) ?? {};
  return Object.hasOwn(values, key) ? (values[key] ?? "") : "";
}

/** `key="value"` lines by key, values quoted as in Go. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${quoted(map?.[key] ?? "")}`)
    .join("\n");
}

const escapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function quoted(text: string): string {
  let out = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (escapes[character] !== undefined) out += escapes[character];
    else if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) out += character;
    else if (code < 0x80) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code < 0x1_00_00) out += `\\u${code.toString(16).padStart(4, "0")}`;
    else out += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `${out}"`;
}
