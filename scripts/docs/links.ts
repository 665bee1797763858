// Links of pages within the project: the file is there, and so is the anchor. What is elsewhere is not asked for.
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { closest } from "../../packages/virtual-kubelet/src/host/closest.ts";
import type { Finding, Project } from "./finding.ts";
import type { Page } from "./page.ts";

export function checkLinks(pages: readonly Page[], { root }: Project): Finding[] {
  const byFile = new Map(pages.map((page) => [page.file, page]));
  return pages.flatMap((page) =>
    page.links.flatMap(({ target, line }) => {
      const message = faultOf(page, target, byFile, root);
      return message === undefined ? [] : [{ file: page.file, line, message }];
    }),
  );
}

function faultOf(page: Page, target: string, pages: ReadonlyMap<string, Page>, root: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  if (target.startsWith("/")) return `link ${target}: must be relative, so that it works in a clone`;
  const [path = "", anchor] = target.split("#").map((part) => decodeURIComponent(part));
  const file = path === "" ? page.file : relative(root, join(root, dirname(page.file), path));
  if (file.startsWith("..")) return `link ${target}: leads out of the project`;
  if (!existsSync(join(root, file))) return `link ${target}: there is no ${file}${meant(file, [...pages.keys()])}`;
  if (anchor === undefined) return undefined;
  const other = pages.get(file);
  if (other === undefined) {
    const isLine = /^L\d+(-L\d+)?$/.test(anchor) && !statSync(join(root, file)).isDirectory();
    return isLine ? undefined : `link ${target}: ${file} is no page of Markdown, and has no anchors`;
  }
  if (other.anchors.has(anchor)) return undefined;
  const known = [...other.anchors];
  return `link ${target}: ${file} has no #${anchor}${
    meant(
      `#${anchor}`,
      known.map((one) => `#${one}`),
    ) || `; it has ${known.map((one) => `#${one}`).join(", ")}`
  }`;
}

function meant(word: string, known: readonly string[]): string {
  const found = closest(word, known);
  return found === undefined ? "" : ` (did you mean ${found}?)`;
}
