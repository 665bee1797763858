// The layers above the configuration file: flags and environment variables, checked by the same schema, each fault with its source.

import { pathText } from "../host/config-words.ts";
import { parseLeniently } from "../host/schema-walk.ts";
import { overrideSchema } from "./config-schema.ts";
import type { OverrideSettings } from "./config-settings.ts";
import type { Fault } from "./fault.ts";
import { convert, type FlagSpec, type Kind } from "./flags.ts";

export interface Layer<T> {
  readonly settings: T;
  /** Where the value at a path came from; undefined when this layer does not have it. */
  readonly sourceOf: (path: string) => string | undefined;
  readonly faults: readonly Fault[];
}

/** Environment variables and what they set. */
export const variables: readonly {
  readonly name: string;
  readonly kind: Kind;
  readonly path: string;
  readonly about: string;
}[] = [
  { name: "KUBECONFIG", kind: "text", path: "kubeconfig", about: "kubeconfig file, or several, separated by colons." },
  { name: "DEFAULT_NODE_NAME", kind: "text", path: "nodeName", about: "Name of the node." },
  {
    name: "KUBELET_PORT",
    kind: "integer",
    path: "nodeOverrides.port",
    about: "Port of the kubelet API, which the node announces.",
  },
  { name: "VKUBELET_POD_IP", kind: "text", path: "nodeOverrides.internalIP", about: "InternalIP address of the node." },
  { name: "VKUBELET_TAINT_KEY", kind: "text", path: "taint.key", about: "Key of the node's taint." },
  {
    name: "VKUBELET_TAINT_VALUE",
    kind: "text",
    path: "taint.value",
    about: "Value of the node's taint; default the provider's name.",
  },
  {
    name: "VKUBELET_TAINT_EFFECT",
    kind: "text",
    path: "taint.effect",
    about: "NoSchedule (default), PreferNoSchedule or NoExecute.",
  },
  {
    name: "APISERVER_CERT_LOCATION",
    kind: "text",
    path: "kubelet.certFile",
    about: "Certificate of the kubelet API.",
  },
  { name: "APISERVER_KEY_LOCATION", kind: "text", path: "kubelet.keyFile", about: "Its private key." },
  {
    name: "APISERVER_CA_CERT_LOCATION",
    kind: "text",
    path: "kubelet.clientCAFile",
    about: "CAs of client certificates.",
  },
  { name: "OTEL_TRACES_EXPORTER", kind: "list", path: "tracing.exporters", about: "otlp sends traces, none does not." },
  { name: "OTEL_SERVICE_NAME", kind: "text", path: "tracing.serviceName", about: "service.name of the traces." },
];

interface Given {
  readonly source: string;
  readonly kind: Kind;
  readonly path: string;
  readonly texts: readonly string[];
}

type Tree = { [key: string]: unknown };
const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

function assign(tree: Tree, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = tree;
  for (const key of keys) {
    const inner = at[key];
    const next: Tree = isTree(inner) ? inner : {};
    at[key] = next;
    at = next;
  }
  at[last] = value;
}

function layerOf(all: readonly Given[]): Layer<OverrideSettings> {
  const tree: Tree = {};
  const faults: Fault[] = [];
  const sources = new Map<string, string>();
  for (const { source, kind, path, texts } of all) {
    const converted = convert(kind, texts);
    if ("fault" in converted) faults.push({ source, message: converted.fault });
    else {
      assign(tree, path, converted.value);
      sources.set(path, source);
    }
  }
  const sourceOf = (path: string): string | undefined => {
    for (const [known, source] of sources) {
      if (path === known || path.startsWith(`${known}.`) || path.startsWith(`${known}[`)) return source;
    }
    return undefined;
  };
  const parsed = parseLeniently(overrideSchema, tree);
  for (const { path, message } of parsed.faults) {
    faults.push({ source: sourceOf(pathText(path)) ?? pathText(path), message });
  }
  return { settings: parsed.output ?? {}, sourceOf, faults };
}

export function flagLayer(given: ReadonlyMap<FlagSpec, readonly string[]>): Layer<OverrideSettings> {
  return layerOf(
    [...given].flatMap(([{ name, kind, path }, texts]) =>
      // An empty text is how Go's flags say "not set".
      path === undefined || (kind === "text" && texts.at(-1) === "" && name !== "metrics-addr")
        ? []
        : [{ source: `--${name}`, kind, path, texts }],
    ),
  );
}

/** Empty variables count as unset. */
export function environmentLayer(env: Readonly<Record<string, string | undefined>>): Layer<OverrideSettings> {
  return layerOf(
    variables.flatMap(({ name, kind, path }) => {
      const value = env[name];
      if (value === undefined || value === "") return [];
      const texts = name === "OTEL_TRACES_EXPORTER" && value === "none" ? [""] : [value];
      return [{ source: `$${name}`, kind, path, texts }];
    }),
  );
}
