// What ConfigMaps and Secrets have in common for those who refer to them: how each is found, read and spoken of. Pure.
import type { Sources, View } from "./sources.ts";

type Data = Readonly<Record<string, string>>;

export interface ObjectKind {
  /** As in the reasons of events. */
  readonly name: "ConfigMap" | "Secret";
  /** As in the kubelet's messages. */
  readonly lowerName: string;
  readonly envFrom: "configMapRef" | "secretRef";
  readonly envFromName: string;
  /** As in the kubelet's message about a key that a volume lacks. */
  readonly keyName: string;
  readonly none: Data;
  /** Its text values; of a Secret base64. */
  data(sources: Pick<Sources, "configMap" | "secret">, namespace: string, name: string): View<Data>;
  /** The text of one of them. */
  text(value: string): string;
  /** The content of every key, text or not, as bytes. */
  files(
    sources: Pick<Sources, "configMap" | "secret">,
    namespace: string,
    name: string,
  ): View<ReadonlyMap<string, Uint8Array>>;
}

const configMap: ObjectKind = {
  name: "ConfigMap",
  lowerName: "configmap",
  envFrom: "configMapRef",
  envFromName: "configMap",
  keyName: "config key",
  none: {},
  data: (sources, namespace, name) => mapped(sources.configMap(namespace, name), ({ data }) => data ?? {}),
  text: (value) => value,
  files: (sources, namespace, name) =>
    mapped(
      sources.configMap(namespace, name),
      ({ data, binaryData }) => new Map([...bytesOf(data, "utf8"), ...bytesOf(binaryData, "base64")]),
    ),
};

const secret: ObjectKind = {
  name: "Secret",
  lowerName: "secret",
  envFrom: "secretRef",
  envFromName: "secret",
  keyName: "secret key",
  none: {},
  data: (sources, namespace, name) => mapped(sources.secret(namespace, name), ({ data }) => data ?? {}),
  text: (value) => Buffer.from(value, "base64").toString("utf8"),
  files: (sources, namespace, name) =>
    mapped(sources.secret(namespace, name), ({ data }) => new Map(bytesOf(data, "base64"))),
};

export const kinds: { readonly configMap: ObjectKind; readonly secret: ObjectKind } = { configMap, secret };

/** An object that cannot be read, in words. */
export function unreadable({ lowerName }: ObjectKind, name: string, why: string): string {
  return `${lowerName} "${name}" cannot be read: ${why}`;
}

function bytesOf(data: Data | undefined, encoding: "utf8" | "base64"): [string, Uint8Array][] {
  return Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]);
}

function mapped<T, U>(view: View<T>, map: (value: T) => U): View<U> {
  return view.state === "found" ? { state: "found", value: map(view.value) } : view;
}
