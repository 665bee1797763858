// npm run docs: links, commands, names, objects, configurations and TypeScript in all Markdown of the project are right. No network.
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkCommands } from "./docs/commands.ts";
import { checkDataBlocks, directivesHelp } from "./docs/data-blocks.ts";
import type { Finding, Project } from "./docs/finding.ts";
import { checkLinks } from "./docs/links.ts";
import { checkNames, knownNames } from "./docs/names.ts";
import { type Page, readPage } from "./docs/page.ts";
import { checkSnippets } from "./docs/snippets.ts";

const root = join(import.meta.dirname, "..");
/** Blocks that nothing is known of: few. */
const mostUnchecked = 12;

const read = (file: string): string => readFileSync(join(root, file), "utf8");
const manifest = (file: string): { readonly name: string; readonly scripts?: Readonly<Record<string, string>> } =>
  JSON.parse(read(file));

const project: Project = {
  root,
  npmScripts: manifest("package.json").scripts ?? {},
  packages: globSync("packages/*/package.json", { cwd: root }).map((file) => manifest(file).name),
};
/** Those that are not committed yet included. */
const listed = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.md"],
  { cwd: root, encoding: "utf8" },
);
const named = process.argv.slice(2);
const all = listed
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)))
  .map((file) => readPage(file, read(file)));
const pages = all.filter(({ file }) => named.length === 0 || named.some((part) => file.includes(part)));

const unchecked = pages.flatMap(({ file, code }: Page) =>
  code.filter(({ directives }) => directives.some((text) => /^none\b/.test(text))).map(({ line }) => `${file}:${line}`),
);
const names = knownNames(project);
const findings: Finding[] = [
  ...checkLinks(all, project).filter(({ file }) => pages.some((page) => page.file === file)),
  ...pages.flatMap((page) => checkCommands(page, project)),
  ...pages.flatMap((page) => checkNames(page, names)),
  ...(await checkDataBlocks(pages, project)),
  ...(await checkSnippets(pages, project)),
].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);

for (const { file, line, message } of findings) console.error(`${file}:${line}: ${message}`);
if (findings.length > 0) console.error(`\n${directivesHelp}\n`);
const tooMany = unchecked.length > mostUnchecked;
if (tooMany)
  console.error(`${unchecked.length} blocks say "check: none", more than ${mostUnchecked}: ${unchecked.join(", ")}`);
const blocks = pages.reduce((sum, { code }) => sum + code.length, 0);
console.log(`${pages.length} pages, ${blocks} blocks (${unchecked.length} unchecked), ${findings.length} faults`);
process.exitCode = findings.length === 0 && !tooMany ? 0 : 1;
