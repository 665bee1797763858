// Reads the configuration file (YAML), checks it by the schema, and tells every fault with its line and column.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { errorText } from "../errors.ts";
import { pathText } from "../host/config-words.ts";
import { type Path, parseLeniently, unknownKeys } from "../host/schema-walk.ts";
import { fileSchema } from "./config-schema.ts";
import type { FileSettings, NodeSettings } from "./config-settings.ts";
import type { Fault } from "./fault.ts";
import type { Layer } from "./overrides.ts";

export async function readConfigFile(file: string, cwd: string): Promise<Layer<FileSettings>> {
  const path = resolve(cwd, file);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const fault = { source: file, message: `cannot be read: ${errorText(error)}` };
    return { settings: {}, sourceOf: () => undefined, faults: [fault] };
  }
  return parseConfigFile(text, file, dirname(path));
}

/** `name` is how messages call the file; paths in it are relative to `directory`. */
export function parseConfigFile(text: string, name: string, directory: string): Layer<FileSettings> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      source: at(error.pos[0]),
      message: (error.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
    }));
    return { settings: {}, sourceOf: () => undefined, faults };
  }
  let content: unknown;
  try {
    content = withoutNulls(document.toJS(), []) ?? {};
  } catch (error) {
    // Aliases to nothing, or to too much.
    return { settings: {}, sourceOf: () => undefined, faults: [{ source: name, message: errorText(error) }] };
  }
  const { output, faults: found } = parseLeniently(fileSchema, content);
  const located = [
    ...found.map((fault) => ({ ...fault, offset: offsetOf(document, fault.path, "value") })),
    ...unknownKeys(fileSchema, content).map((fault) => ({ ...fault, offset: offsetOf(document, fault.path, "key") })),
  ];
  const faults = located
    .sort((a, b) => a.offset - b.offset)
    .map(
      ({ path, message, offset }): Fault => ({
        source: at(offset),
        ...(path.length > 0 && { path: pathText(path) }),
        message,
      }),
    );
  const sourceOf = (path: string): string | undefined => {
    const keys = [...path.matchAll(/[^.[\]]+/g)].map(([key]) => (/^\d+$/.test(key) ? Number(key) : key));
    return document.hasIn(keys) ? at(offsetOf(document, keys, "value")) : undefined;
  };
  return { settings: output === undefined ? {} : fromDirectory(output, directory), sourceOf, faults };
}

/** A key without a value ("tracing:") is as good as absent; a provider's own settings are left alone. */
function withoutNulls(value: unknown, path: Path): unknown {
  if (path.at(-1) === "config" && path.at(-2) === "provider") return value;
  if (Array.isArray(value)) return value.map((inner: unknown, index) => withoutNulls(inner, [...path, index]));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner, [...path, key])]));
}

/** Where the thing at `path` stands: a key that exists, else the value, else what is around it. */
function offsetOf(document: Document.Parsed, path: Path, part: "key" | "value"): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      : undefined;
    const value = document.getIn(path.slice(0, length), true);
    const found = part === "value" && length === path.length && isScalar(value) ? value : (pair?.key ?? value);
    if (isNode(found) && found.range) return found.range[0];
  }
  return 0;
}

function kubeletPaths(
  kubelet: NonNullable<FileSettings["kubelet"]>,
  absolute: (path: string) => string,
): NonNullable<FileSettings["kubelet"]> {
  const paths = ["certFile", "keyFile", "certDir", "clientCAFile", "bootstrapKubeconfig"] as const;
  const given = paths.flatMap((key) => {
    const path = kubelet[key];
    return path === undefined ? [] : [[key, absolute(path)] as const];
  });
  return { ...kubelet, ...Object.fromEntries(given) };
}

/** Relative paths in a file are meant from where it stands. */
function fromDirectory(settings: FileSettings, directory: string): FileSettings {
  const absolute = (path: string): string => resolve(directory, path);
  const ofNode = <T extends NodeSettings>(node: T): T => {
    if (node.provider === undefined) return node;
    const { name, configPath } = node.provider;
    const provider = {
      ...node.provider,
      ...(name !== undefined && /^\.{1,2}\//.test(name) ? { name: absolute(name) } : {}),
      ...(configPath === undefined ? {} : { configPath: absolute(configPath) }),
    };
    return { ...node, provider };
  };
  const { kubeconfig, kubelet, nodeDefaults, nodes } = settings;
  return {
    ...settings,
    ...(kubeconfig === undefined ? {} : { kubeconfig: absolute(kubeconfig) }),
    ...(kubelet === undefined ? {} : { kubelet: kubeletPaths(kubelet, absolute) }),
    ...(nodeDefaults === undefined ? {} : { nodeDefaults: ofNode(nodeDefaults) }),
    ...(nodes === undefined ? {} : { nodes: nodes.map(ofNode) }),
  };
}
