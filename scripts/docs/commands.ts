// Commands in docs: flags are those of the program, npm's scripts are those of package.json, files are there.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { closest, hint } from "../../packages/virtual-kubelet/src/host/closest.ts";
import { parseCommandLine } from "../../packages/virtual-kubelet/src/program/command-line.ts";
import { flagLayer } from "../../packages/virtual-kubelet/src/program/overrides.ts";
import { subCommands } from "../../packages/virtual-kubelet/src/program/sub-commands.ts";
import type { Finding, Project } from "./finding.ts";
import type { Page } from "./page.ts";
import { readScript } from "./shell.ts";

const shells: ReadonlySet<string> = new Set(["", "sh", "bash", "shell", "console", "zsh"]);
export const isShell = (language: string): boolean => shells.has(language);

export function checkCommands(page: Page, project: Project): Finding[] {
  const blocks = page.code
    .filter(({ language, directives }) => isShell(language) && !directives.some((text) => /^none\b/.test(text)))
    .flatMap(({ text, line }) => readScript(text).commands.map((one) => ({ ...one, line: line + one.line - 1 })));
  const inline = page.inlineCode.flatMap(({ text, line }) =>
    isCommand(text) ? readScript(text).commands.map(({ words }) => ({ words, line })) : pathIn(text, line),
  );
  return [...blocks, ...inline].flatMap(({ words, line }) =>
    commandFaults(words, project).map((message) => ({ file: page.file, line, message })),
  );
}

/** Code in a sentence that is a whole command, not a word about one. */
const isCommand = (text: string): boolean => /^(npx )?virtual-kubelet (?!\d)|^npm (run|start|test)\b/.test(text);
const pathIn = (text: string, line: number): { words: string[]; line: number }[] =>
  /\s/.test(text) ? [] : [{ words: ["", text], line }];

/** Pure but for files that are looked for. */
export function commandFaults(all: readonly string[], project: Project): string[] {
  const [program = "", ...args] = all.filter((word) => !/^(\.\.\.|…)$/.test(word));
  const files = args.flatMap((word) => pathFaults(word, project));
  switch (program) {
    case "npx":
      return args[0]?.replace(/^@virtual-kubelet\/(?=virtual-kubelet$)/, "") === "virtual-kubelet"
        ? [...programFaults(args.slice(1)), ...files]
        : files;
    case "virtual-kubelet":
      return [...programFaults(args), ...files];
    case "npm":
      return [...npmFaults(args, project), ...files];
    case "kubectl":
      return [...kubectlFaults(args), ...files];
    default:
      return files;
  }
}

const others = ["providers", "version", "help"];
/** Stands for something: its value is nobody's business. */
const isPlaceholder = (text: string): boolean => /[$<>]|\.\.\.|…/.test(text);

function programFaults(args: readonly string[]): string[] {
  const [command] = parseCommandLine(args).words;
  const spec = subCommands.find(({ name }) => name === command);
  const known: readonly string[] = [...subCommands.map(({ name }) => name), ...others];
  const line = parseCommandLine(args, spec?.flags);
  // What stands behind an unknown flag is taken for a command.
  if (command !== undefined && !known.includes(command) && line.faults.length === 0)
    return [
      `virtual-kubelet: unknown command "${command}"${hint(command, known) || `; there are ${known.join(", ")}`}`,
    ];
  const values = new Map([...line.given].filter(([, texts]) => !texts.some(isPlaceholder)));
  const where = spec === undefined ? "virtual-kubelet" : `virtual-kubelet ${spec.name}`;
  return [...line.faults, ...flagLayer(values).faults].map(
    ({ source, path, message }) => `${where} ${source}: ${path === undefined ? "" : `${path}: `}${message}`,
  );
}

/** Of npm itself, as far as docs have a use for them. */
const npmCommands = [
  ...["ci", "install", "i", "run", "start", "test", "exec", "pack", "publish", "init", "uninstall", "link"],
  ...["ls", "view", "version", "config", "audit", "outdated", "--version"],
];

function npmFaults(args: readonly string[], project: Project): string[] {
  const [command = "", ...rest] = args;
  if (!npmCommands.includes(command)) return [`npm ${command}: unknown${hint(command, npmCommands)}`];
  if (["install", "i", "exec"].includes(command)) return rest.flatMap((word) => packageFaults(word, project));
  if (!["run", "start", "test"].includes(command)) return [];
  const behind = args.indexOf("--");
  const [name] = command === "run" ? rest.filter((word) => !word.startsWith("-")) : [command];
  const scripts = Object.keys(project.npmScripts);
  if (name === undefined) return [];
  // One of another package, with -w.
  if (rest.some((word) => /^(-w|--workspace|--prefix)/.test(word))) return [];
  if (!scripts.includes(name))
    return [
      `npm run ${name}: package.json has no such script${hint(name, scripts) || `; it has ${scripts.join(", ")}`}`,
    ];
  return behind < 0 ? [] : scriptFlagFaults(name, args.slice(behind + 1), project);
}

function packageFaults(word: string, { packages }: Project): string[] {
  const name = /^@virtual-kubelet\/[\w-]+/.exec(word)?.[0];
  if (name === undefined || packages.includes(name)) return [];
  return [`${word}: there is no such package here${hint(name, packages) || `; there are ${packages.join(", ")}`}`];
}

function scriptFlagFaults(name: string, args: readonly string[], project: Project): string[] {
  const known = scriptFlags(name, project);
  if (known === undefined) return [];
  return args
    .filter((word) => word.startsWith("--"))
    .map((word) => word.replace(/=.*/, "").slice(2))
    .filter((flag) => !known.includes(flag))
    .map((flag) => `npm run ${name} -- --${flag}: unknown flag${hint(flag, known, "--")}`);
}

/** Flags of an npm script, without dashes; undefined where nothing is known of it. */
export function scriptFlags(name: string, project: Project): readonly string[] | undefined {
  const source = sourceOf(name, project);
  if (source === undefined) return undefined;
  // What the script says of its flags: in its usage, or where it reads them.
  const told = [...source.matchAll(/--([a-z][a-z0-9-]*)|^\s+"?([a-z][a-z0-9-]*)"?: \{ type: "/gm)];
  const trial = name === "start" ? (subCommands.find((one) => one.name === "trial")?.flags ?? []) : [];
  return [...told.map(([, one = "", other]) => other ?? one), ...trial.map((flag) => flag.name)];
}

/** Text of the file that an npm script runs, and of those that it imports. */
function sourceOf(name: string, { npmScripts, root }: Project): string | undefined {
  const command = npmScripts[name] ?? "";
  const started = /bootstrap\.js (\w+)/.exec(command)?.[1];
  const bootstrap = readFileSync(join(root, "scripts/bootstrap.js"), "utf8");
  const file =
    started === undefined
      ? /[\w./-]+\.[tj]s(?=\s*$)/.exec(command)?.[0]
      : `scripts/${new RegExp(`\\b${started}: "([\\w.-]+)"`).exec(bootstrap)?.[1]}`;
  const path = join(root, file ?? "");
  if (file === undefined || !existsSync(path)) return undefined;
  const own = readFileSync(path, "utf8");
  const imported = [...own.matchAll(/from "(\.[^"]+\.ts)"/g)].map(([, target = ""]) => join(dirname(path), target));
  return [own, ...imported.filter((one) => existsSync(one)).map((one) => readFileSync(one, "utf8"))].join("\n");
}

const kubectlCommands = [
  ...[
    "annotate",
    "api-resources",
    "api-versions",
    "apply",
    "attach",
    "auth",
    "autoscale",
    "certificate",
    "cluster-info",
  ],
  ...[
    "completion",
    "config",
    "cordon",
    "cp",
    "create",
    "debug",
    "delete",
    "describe",
    "diff",
    "drain",
    "edit",
    "events",
  ],
  ...["exec", "explain", "expose", "get", "kustomize", "label", "logs", "options", "patch", "plugin", "port-forward"],
  ...["proxy", "replace", "rollout", "run", "scale", "set", "taint", "top", "uncordon", "version", "wait"],
];

function kubectlFaults(args: readonly string[]): string[] {
  const [command] = args.filter(
    (word, at) => !word.startsWith("-") && !/^(-n|--namespace|--context|--kubeconfig)$/.test(args[at - 1] ?? ""),
  );
  if (command === undefined || isPlaceholder(command) || kubectlCommands.includes(command)) return [];
  return [`kubectl ${command}: kubectl has no such command${hint(command, kubectlCommands)}`];
}

/** Files of the project: those that a word names must be there. */
function pathFaults(word: string, { root }: Project): string[] {
  const path = word
    .replace(/^--?[\w-]+=/, "")
    .replace(/^\.\//, "")
    .replace(/:\d+$/, "");
  if (/^scripts\/.*\.sh$/.test(path)) return []; // of a reader's own
  if (!/^(deploy|docs|examples|scripts|packages|e2e|bench)\/[\w@./-]*$/.test(path)) return [];
  // What is built is not there before it is.
  const source = path.replace(/(packages\/[\w-]+)\/dist\/(.*)\.js$/, "$1/src/$2.ts");
  if (existsSync(join(root, source))) return [];
  const folder = source.replace(/\/[^/]*$/, "");
  const near = existsSync(join(root, folder)) ? "" : `, nor ${folder}`;
  const similar = closest(basename(source), filesIn(join(root, folder)));
  return [
    `${path}: there is no such file${near}${similar === undefined ? "" : ` (did you mean ${folder}/${similar}?)`}`,
  ];
}

function filesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
