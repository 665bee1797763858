// The files of the web view, as they stand in the package: a fixed list, so that no name leads anywhere else.
import { readFile } from "node:fs/promises";

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

const names: ReadonlySet<string> = new Set([
  "index.html",
  "view.css",
  "icon.svg",
  "main.js",
  "dom.js",
  "connection.js",
  "format.js",
  "overview.js",
  "pods.js",
  "pod.js",
]);

/** The same from sources and from what is built. */
const directory = new URL("../../web/", import.meta.url);

/** Undefined for what is none of them. */
export async function readAsset(name: string): Promise<Asset | undefined> {
  const type = types[name.slice(name.lastIndexOf(".") + 1)];
  if (!names.has(name) || type === undefined) return undefined;
  return { type, body: await readFile(new URL(name, directory)) };
}
