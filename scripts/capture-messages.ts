// The protobuf messages of the API, from the Go modules that define them: kubectl sends some of its documents so.
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** By number: name, type, and of what kind it is: one, `*` one that may be absent, `[]` many, `{}` by key. */
export type MessageFields = Record<string, [name: string, type: string, kind: "" | "*" | "[]" | "{}"]>;

/** Messages by the names of their schemas, reachable from `roots`. `version` is that of Kubernetes, e.g. `v1.36.3`. */
export function captureMessages(version: string, roots: readonly string[]): Record<string, MessageFields> {
  const modules = [
    `k8s.io/api@${version.replace("v1.", "v0.")}`,
    `k8s.io/apimachinery@${version.replace("v1.", "v0.")}`,
  ];
  const all = new Map<string, MessageFields>();
  for (const name of modules) {
    const answer: unknown = JSON.parse(execFileSync("go", ["mod", "download", "-json", name], { encoding: "utf8" }));
    if (typeof answer !== "object" || answer === null || !("Dir" in answer) || typeof answer.Dir !== "string") {
      throw new Error(`no directory for ${name}`);
    }
    for (const file of globSync("**/generated.proto", { cwd: answer.Dir })) readProto(join(answer.Dir, file), all);
  }
  const found: Record<string, MessageFields> = {};
  const pending = [...roots];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const fields = all.get(name);
    if (fields === undefined || found[name] !== undefined) continue;
    found[name] = fields;
    pending.push(...Object.values(fields).map(([, type]) => type));
  }
  return found;
}

/** `k8s.io.api.core.v1.Pod` is `io.k8s.api.core.v1.Pod` to the documents. */
function schemaName(type: string, own: string): string {
  const full = type.startsWith(".") ? type.slice(1) : type.includes(".") ? type : `${own}.${type}`;
  return full.replace(/^k8s\.io\./, "io.k8s.");
}

const scalars = new Set(["string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "double", "float"]);

function readProto(file: string, into: Map<string, MessageFields>): void {
  const text = readFileSync(file, "utf8").replaceAll(/\/\/.*$/gm, "");
  const own = /^package ([\w.]+);/m.exec(text)?.[1] ?? "";
  const pointers = pointersOf(dirname(file));
  for (const [, message = "", body = ""] of text.matchAll(/^message (\w+) \{([^}]*)\}/gm)) {
    const fields: MessageFields = {};
    const named = (type: string): string => (scalars.has(type) ? type : schemaName(type, own));
    for (const line of body.split("\n")) {
      const map = /^\s*map<string, ([.\w]+)> (\w+) = (\d+);/.exec(line);
      const one = /^\s*(optional|repeated) ([.\w]+) (\w+) = (\d+);/.exec(line);
      if (map !== null) fields[map[3] ?? ""] = [map[2] ?? "", named(map[1] ?? ""), "{}"];
      else if (one !== null) {
        const [, label, type = "", name = "", number = ""] = one;
        const kind = label === "repeated" ? "[]" : pointers.has(`${message}.${name}`) ? "*" : "";
        fields[number] = [name, named(type), kind];
      }
    }
    into.set(schemaName(message, own), fields);
  }
}

/** `Struct.field` for fields that are pointers in Go: their zero is a value. */
function pointersOf(directory: string): Set<string> {
  const found = new Set<string>();
  for (const file of globSync("*.go", { cwd: directory })) {
    if (file.startsWith("generated") || file.startsWith("zz_")) continue;
    let struct = "";
    for (const line of readFileSync(join(directory, file), "utf8").split("\n")) {
      struct = /^type (\w+) struct \{/.exec(line)?.[1] ?? struct;
      const field = /^\s+\w+\s+\*\S+\s+`.*json:"(\w+)/.exec(line)?.[1];
      if (field !== undefined) found.add(`${struct}.${field}`);
    }
  }
  return found;
}
