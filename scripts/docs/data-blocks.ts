// YAML and JSON in docs: what a block is, and whether it is valid. An object of Kubernetes or a configuration is known by its
// keys; what is a part of something says so in a comment before the block.
import { isNode, LineCounter, parseAllDocuments } from "yaml";
import { hint } from "../../packages/virtual-kubelet/src/host/closest.ts";
import { builtInProviders } from "../../packages/virtual-kubelet/src/program/load-provider.ts";
import { isShell } from "./commands.ts";
import {
  configurationFaults,
  isKnownProvider,
  providerConfigFaults,
  providerFileFaults,
  settings,
  type TextFault,
} from "./configurations.ts";
import type { Finding, Project } from "./finding.ts";
import { completed, fragmentKinds, isKubernetesObject, keysOf, ObjectChecker } from "./objects.ts";
import type { CodeBlock, Page } from "./page.ts";
import { readScript } from "./shell.ts";
import { valuesFaults } from "./values.ts";

/** `terminal` is for the test that follows the page. */
const known = /^(as|with|file|none|terminal)\s/;

export async function checkDataBlocks(pages: readonly Page[], project: Project): Promise<Finding[]> {
  const objects = new ObjectChecker();
  const findings: Finding[] = [];
  for (const { file, code } of pages) {
    for (const block of code.flatMap(withHeredocs)) {
      if (block.directives.some((text) => /^none\b/.test(text))) continue;
      for (const directive of block.directives.filter((text) => !known.test(text)))
        findings.push({ file, line: block.line - 1, message: `check: ${directive}: there is no such thing to say` });
      if (!["yaml", "yml", "json"].includes(block.language)) continue;
      const faults = await blockFaults(block, objects, project.root);
      findings.push(...faults.map(({ line, message }) => ({ file, line: block.line + line - 1, message })));
    }
  }
  return findings;
}

/** Documents that commands are given; those that are nothing of ours are of no interest. */
function withHeredocs(block: CodeBlock): CodeBlock[] {
  if (!isShell(block.language)) return [block];
  return readScript(block.text)
    .heredocs.filter(({ text }) => /^(apiVersion|nodes|nodeDefaults|instances):/m.test(text))
    .map(({ text, line }) => ({ language: "yaml", text, line: block.line + line - 1, directives: block.directives }));
}

interface DataDocument {
  readonly value: unknown;
  readonly text: string;
  /** Of its text within the block, counted from 0. */
  readonly before: number;
  readonly isJson: boolean;
  /** Line of what stands at a path, or of the nearest around it, counted from 1. */
  readonly lineOf: (path: string) => number;
}

async function blockFaults(block: CodeBlock, objects: ObjectChecker, root: string): Promise<TextFault[]> {
  const { documents, faults } = read(block);
  if (faults.length > 0) return faults;
  const found: TextFault[] = [];
  for (const document of documents) {
    if (document.value === null || document.value === undefined) continue;
    found.push(...(await documentFaults(document, block.directives, objects, root)));
  }
  return found;
}

function read({ language, text }: CodeBlock): { documents: DataDocument[]; faults: TextFault[] } {
  if (language === "json") {
    try {
      JSON.parse(text);
    } catch (error) {
      return {
        documents: [],
        faults: [{ line: 1, message: `no JSON: ${error instanceof Error ? error.message : ""}` }],
      };
    }
  }
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines });
  const all = "empty" in parsed ? [] : parsed;
  const faults = all.flatMap((document) =>
    document.errors.map((error) => ({
      line: lines.linePos(error.pos[0]).line,
      message: `no YAML: ${error.message.split("\n")[0]}`,
    })),
  );
  const documents = all.map((document): DataDocument => {
    const [from, , to] = document.range;
    const before = lines.linePos(from).line - 1;
    return {
      value: faults.length > 0 ? undefined : document.toJS(),
      text: text.slice(from, to),
      before,
      isJson: language === "json",
      lineOf: (path) => {
        for (let keys = keysOf(path); keys.length > 0; keys = keys.slice(0, -1)) {
          const node = document.getIn(keys, true);
          if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
        }
        return before + 1;
      },
    };
  });
  return { documents, faults };
}

const unknownBlock =
  "neither an object (apiVersion, kind) nor a configuration nor values of the chart (instances): a comment before it has to say what it is a part of";

/** Told once, after all findings. */
export const directivesHelp = `Comments right before a block say how it is checked:
  <!-- check: as KIND [path] -->        YAML: a part of an object, e.g. "as Pod spec.containers[0]"; KIND: ${fragmentKinds.join(", ")}
  <!-- check: as configuration path --> a part of the configuration, e.g. "as configuration nodeDefaults"
  <!-- check: as provider NAME -->      the configuration of a provider: ${builtInProviders.map(({ name }) => name).join(", ")}
  <!-- check: as provider-file NAME --> the same as the file of --provider-config
  <!-- check: with CODE -->             TypeScript: what the block takes for granted, e.g. "with declare const uid: string;"
  <!-- check: file NAME -->             TypeScript: later blocks of the page import it by this name
  <!-- check: none, WHY -->             not checked at all: few may be
Blocks whose fence says nothing or sh are commands, as far as they begin with known programs; \`\`\`text is never looked at.`;

async function documentFaults(
  document: DataDocument,
  directives: readonly string[],
  objects: ObjectChecker,
  root: string,
): Promise<TextFault[]> {
  const { value, text, before, isJson, lineOf } = document;
  const [, what = "", path = ""] =
    directives.map((each) => /^as (\S+)\s*(.*)$/.exec(each)).find((each) => each !== null) ?? [];
  const located = (messages: readonly string[], prefix = ""): TextFault[] =>
    messages.map((message) => ({ line: lineOf(placeIn(message, prefix)), message }));
  if (what === "configuration") return located(await partFaults(path, value, root), path);
  if (what === "provider" || what === "provider-file") {
    const names = builtInProviders.map(({ name }) => name).join(", ");
    if (!isKnownProvider(path)) return [{ line: 1, message: `as ${what} ${path}: there are ${names}` }];
    const faults = what === "provider" ? providerConfigFaults(path, value, root) : providerFileFaults(path, text, root);
    return located(await faults);
  }
  if (what !== "") {
    const whole = completed(what, path, value);
    if (whole === undefined)
      return [
        {
          line: 1,
          message: `as ${what}: must be one of ${fragmentKinds.join(", ")}, configuration, provider, provider-file${hint(what, fragmentKinds)}`,
        },
      ];
    return located(objects.faults(whole), path);
  }
  if (isKubernetesObject(value)) return located(objects.faults(value));
  const keys = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  if (keys.length > 0 && keys.some((key) => settings.includes(key)) && !Array.isArray(value)) {
    const faults = await configurationFaults(text, root);
    return faults.map(({ line, message }) => ({ line: line + before, message }));
  }
  if (keys.includes("instances")) {
    const faults = await valuesFaults(value, root);
    return faults.map(({ path: place, message }) => ({ line: lineOf(place), message: `${place}: ${message}` }));
  }
  // JSON is also what calls answer.
  return isJson ? [] : [{ line: before + 1, message: unknownBlock }];
}

async function partFaults(path: string, value: unknown, root: string): Promise<string[]> {
  const whole = keysOf(path).reduceRight<unknown>(
    (inner, key) => (typeof key === "number" ? [inner] : { [key]: inner }),
    value,
  );
  return (await configurationFaults(JSON.stringify(whole), root)).map(({ message }) => message);
}

/** The path that a message speaks of, within a part at `prefix`. */
function placeIn(message: string, prefix: string): string {
  const paths = [...message.matchAll(/[a-zA-Z]\w*(?:\.\w+|\[\d+\])+/g)].map(([path]) => path);
  const path = paths.find((one) => !/^io\.k8s|^v\d/.test(one)) ?? "";
  return path.startsWith(prefix) ? path.slice(prefix.length).replace(/^\./, "") : path;
}
