// TypeScript in docs: each block is a module of its own, checked by the compiler with the types of the packages here. What it
// takes for granted stands in a comment before it (`check: with`); a block with a name (`check: file`) can be imported by later ones.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Finding, Project } from "./finding.ts";
import type { Page } from "./page.ts";

interface Snippet {
  readonly file: string;
  /** Relative to where all are. */
  readonly path: string;
  readonly text: string;
  /** Line of the page that its first line is. */
  readonly line: number;
  /** Lines put before it. */
  readonly before: number;
}

export async function checkSnippets(pages: readonly Page[], { root }: Project): Promise<Finding[]> {
  const snippets = pages.flatMap(snippetsOf);
  if (snippets.length === 0) return [];
  const cache = join(root, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, "docs-snippets-"));
  try {
    for (const { path, text } of snippets) {
      mkdirSync(join(directory, path, ".."), { recursive: true });
      writeFileSync(join(directory, path), text);
    }
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(configuration(snippets)));
    const output = await compile(join(root, "node_modules/.bin/tsc"), directory);
    return findings(output, snippets, relative(root, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function configuration(snippets: readonly Snippet[]): unknown {
  return {
    extends: "../../../tsconfig.base.json",
    compilerOptions: {
      ...{ noEmit: true, composite: false, declaration: false, isolatedDeclarations: false, sourceMap: false },
      // Snippets show beginnings, and the imports that go with them.
      ...{ noUnusedLocals: false, noUnusedParameters: false },
    },
    files: snippets.map(({ path }) => path),
  };
}

/** Blocks are numbered by their line, so that messages find back. */
export function snippetsOf({ file, code }: Page): Snippet[] {
  const named = new Map<string, string>();
  return code.flatMap(({ language, text, line, directives }): Snippet[] => {
    if (!["ts", "typescript"].includes(language) || directives.some((each) => /^none\b/.test(each))) return [];
    const before = directives.flatMap((each) => /^with\s+([\s\S]*)$/.exec(each)?.[1] ?? []).join("\n");
    const [name] = directives.flatMap((each) => /^file (\S+)/.exec(each)?.[1] ?? []);
    const folder = `${file.replaceAll(/[^\w.-]/g, "_")}/${line}`;
    const whole = before === "" ? text : `${before}\n${text}`;
    const earlier = [...named]
      .filter(([other]) => other !== name)
      .map(([other, content]) => ({
        file,
        path: `${folder}/${other}`,
        text: content,
        line,
        before: Number.POSITIVE_INFINITY,
      }));
    if (name !== undefined) named.set(name, whole);
    const lines = before === "" ? 0 : before.split("\n").length;
    return [...earlier, { file, path: `${folder}/${name ?? "snippet.ts"}`, text: `${whole}\n`, line, before: lines }];
  });
}

async function compile(program: string, directory: string): Promise<string> {
  const child = spawn(program, ["-p", directory, "--pretty", "false"], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  return output;
}

function findings(output: string, snippets: readonly Snippet[], directory: string): Finding[] {
  const found: Finding[] = [];
  for (const [, place = "", row = "", message = ""] of output.matchAll(/^(.+?)\((\d+),\d+\): error (TS\d+: .*)$/gm)) {
    const snippet = snippets.find(({ path }) => place.endsWith(path));
    // Of the packages themselves the compiler speaks elsewhere.
    if (snippet === undefined || snippet.before === Number.POSITIVE_INFINITY) continue;
    const help = /TS2304|TS2552|TS18004/.test(message)
      ? "; what the block takes for granted goes into a comment before it: <!-- check: with declare const NAME: TYPE; -->"
      : "";
    found.push({
      file: snippet.file,
      line: snippet.line + Math.max(0, Number(row) - 1 - snippet.before),
      message: help === "" ? message : `${message.replace(/\.$/, "")}${help}`,
    });
  }
  const other = /^error TS.*$/m.exec(output)?.[0];
  if (other !== undefined) found.push({ file: directory, line: 1, message: other });
  return found;
}
