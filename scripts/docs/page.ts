// A Markdown page as the checks see it: its links, the anchors that links may mean, and its code with what is said about it.
import GithubSlugger from "github-slugger";
import type { Nodes, RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { visit } from "unist-util-visit";

export interface Link {
  readonly target: string;
  readonly line: number;
}

export interface InlineCode {
  readonly text: string;
  readonly line: number;
  /** It is quoted from the log: "log `this`", or one of a list that begins so. */
  readonly isLogLine: boolean;
}

export interface CodeBlock {
  /** What the fence says, lower case; "" where it says nothing. */
  readonly language: string;
  readonly text: string;
  /** Of the first line inside the fence. */
  readonly line: number;
  /** What `<!-- check: ... -->` right before the block says, in order. */
  readonly directives: readonly string[];
}

export interface Page {
  /** Relative to the root of the project. */
  readonly file: string;
  readonly links: readonly Link[];
  /** Without the #. */
  readonly anchors: ReadonlySet<string>;
  readonly code: readonly CodeBlock[];
  readonly inlineCode: readonly InlineCode[];
}

export function readPage(file: string, text: string): Page {
  const tree = fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  const slugs = new GithubSlugger();
  const links: Link[] = [];
  const anchors = new Set<string>();
  const code: CodeBlock[] = [];
  const inlineCode: InlineCode[] = [];
  visit(tree, (node, index, parent) => {
    const line = node.position?.start.line ?? 1;
    switch (node.type) {
      case "link":
      case "image":
      case "definition":
        links.push({ target: node.url, line });
        break;
      case "heading":
        anchors.add(slugs.slug(plainText(node)));
        break;
      case "html":
        for (const [, id = ""] of node.value.matchAll(/<[^>]+\s(?:id|name)="([^"]+)"/g)) anchors.add(id);
        for (const [, target = ""] of node.value.matchAll(/<(?:img|a)\b[^>]*\s(?:src|href)="([^"]+)"/g))
          links.push({ target, line });
        break;
      case "code":
        code.push({
          language: (node.lang ?? "").toLowerCase(),
          text: node.value,
          line: line + 1,
          directives: directivesBefore(parent?.children ?? [], index ?? 0),
        });
        break;
      case "inlineCode":
        inlineCode.push({
          text: node.value.replaceAll(/\s+/g, " "),
          line,
          isLogLine: isLogLine(parent?.children ?? [], index ?? 0),
        });
        break;
    }
  });
  return { file, links, anchors, code, inlineCode };
}

function isLogLine(siblings: readonly RootContent[], index: number): boolean {
  const before = siblings[index - 1];
  if (before?.type !== "text") return false;
  if (/\blog (says )?$/.test(before.value)) return true;
  return /^(, | and | or )$/.test(before.value) && isLogLine(siblings, index - 2);
}

function directivesBefore(siblings: readonly RootContent[], index: number): string[] {
  const found: string[] = [];
  for (let at = index - 1; at >= 0; at--) {
    const node = siblings[at];
    if (node?.type !== "html") break;
    const comments = [...node.value.matchAll(/<!--\s*check:\s*([\s\S]*?)\s*-->/g)].map(([, text = ""]) => text);
    found.unshift(...comments);
  }
  return found;
}

function plainText(node: Nodes): string {
  if ("value" in node) return node.type === "html" ? "" : node.value;
  return "children" in node ? node.children.map(plainText).join("") : "";
}
