// Names in sentences: flags, metrics, alerts, tests and lines of the log that pages speak of are there, under that name.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { closest } from "../../packages/virtual-kubelet/src/host/closest.ts";
import { flagSpecs } from "../../packages/virtual-kubelet/src/program/flags.ts";
import { flagLayer } from "../../packages/virtual-kubelet/src/program/overrides.ts";
import { subCommands } from "../../packages/virtual-kubelet/src/program/sub-commands.ts";
import { scriptFlags } from "./commands.ts";
import type { Finding, Project } from "./finding.ts";
import { type InlineCode, type Page, readPage } from "./page.ts";

/** Flags of other programs that pages speak of, with whose they are. */
const foreignFlags: Readonly<Record<string, string>> = {
  "audit-log-path": "kube-apiserver",
  "feature-gates": "kube-apiserver",
  "kubelet-certificate-authority": "kube-apiserver",
  "kubelet-client-certificate": "kube-apiserver",
  "runtime-config": "kube-apiserver",
  "node-monitor-grace-period": "kube-controller-manager",
  "kubelet-insecure-tls": "metrics-server",
  "cores-total": "cluster-autoscaler",
  "memory-total": "cluster-autoscaler",
  "klog.": "the Go project: all that begin so",
  env: "podman run",
  token: "a container in an example",
};

export interface KnownNames {
  readonly flags: readonly string[];
  readonly metrics: readonly string[];
  readonly alerts: readonly string[];
  /** Paths of all tests, each behind a slash. */
  readonly tests: readonly string[];
  /** What the program may say: its sources as one text. */
  readonly sources: string;
}

/** Reads the tree. */
export function knownNames(project: Project): KnownNames {
  const read = (file: string): string => readFileSync(join(project.root, file), "utf8");
  const listed = execFileSync(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.ts"],
    {
      cwd: project.root,
      encoding: "utf8",
    },
  ).split("\n");
  const own = [...flagSpecs, ...subCommands.flatMap(({ flags }) => flags ?? [])].map(({ name }) => name);
  return {
    flags: [...own, ...Object.keys(project.npmScripts).flatMap((name) => scriptFlags(name, project) ?? [])],
    metrics: readPage("", read("docs/metrics.md")).inlineCode.map(({ text }) => text),
    alerts: [...read("deploy/monitoring/alerts.yaml").matchAll(/alert: (\w+)/g)].map(([, name = ""]) => name),
    tests: listed.filter((file) => file.endsWith(".test.ts")).map((file) => `/${file}`),
    sources: listed
      .filter((file) => /^packages\/[\w-]+\/src\//.test(file) && !/\.(test|gen)\.ts$/.test(file))
      .map(read)
      .join("\n"),
  };
}

export function checkNames({ file, inlineCode, code: blocks }: Page, known: KnownNames): Finding[] {
  const written = blocks.flatMap(({ directives }) => directives.flatMap((text) => /^file (\S+)/.exec(text)?.[1] ?? []));
  const named = inlineCode.filter(({ text }) => !written.includes(text));
  return named.flatMap((code) =>
    faultsOf(code, known).map((message) => ({ file, line: code.line, message: `${code.text}: ${message}` })),
  );
}

function faultsOf({ text, isLogLine }: InlineCode, known: KnownNames): string[] {
  const [flag, ...values] = text.replace(/^-- (?=--)/, "").split(/[ =]/);
  if (flag?.startsWith("--") === true) return flagFaults(flag.slice(2), values, known);
  const metric = /^[a-z]\w*(?=$|\{)/.exec(text)?.[0] ?? "";
  if (metric.startsWith("virtual_kubelet_") || /_(total|seconds|bytes|depth)$/.test(metric))
    return missing("metric", metric, [
      ...known.metrics,
      ...known.metrics.map((name) => name.replace("virtual_kubelet_", "")),
    ]);
  if (/^VirtualKubelet[A-Z]\w*$/.test(text) && !known.sources.includes(`class ${text} `))
    return missing("alert", text, known.alerts);
  if (/^[\w./-]+\.test\.ts$/.test(text) && !known.tests.some((test) => test.endsWith(`/${text}`)))
    return ["there is no such test"];
  if (isLogLine && !known.sources.includes(text.replace(/ ?\.\.\.$/, "")))
    return ["the program has no such line for the log"];
  return [];
}

function flagFaults(name: string, values: readonly string[], known: KnownNames): string[] {
  const spec = flagSpecs.find((flag) => flag.name === name);
  if (spec === undefined) return foreignFlags[name] === undefined ? missing("flag", name, known.flags) : [];
  const [value = ""] = values;
  if (values.length !== 1 || /[$<>*]|\.\.\.|^[A-Z]+$/.test(value)) return [];
  return flagLayer(new Map([[spec, [value]]])).faults.map(({ message }) => message);
}

function missing(what: string, name: string, known: readonly string[]): string[] {
  if (known.includes(name)) return [];
  const meant = closest(name, known);
  return [`there is no such ${what}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`];
}
