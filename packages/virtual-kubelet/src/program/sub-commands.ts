// The sub-commands: their flags beside the program's own, and how they are described in --help.
import type { CommandFlag } from "./command-line.ts";

/** Those that look at things by the program's configuration, and end. */
export type DiagnosisName = "plan" | "why" | "doctor";

/** Those that do as kubectl does, for who has none. */
export type KubectlName = "get" | "logs" | "exec";

export interface SubCommandSpec {
  readonly name: DiagnosisName | KubectlName | "trial";
  /** Operands and flags, for --help. */
  readonly usage: string;
  readonly about: string;
  readonly flags: readonly CommandFlag[];
  /** A last paragraph of its own --help. */
  readonly note?: string | undefined;
}

const text = (name: string, value: string, about: string): CommandFlag => ({ name, kind: "text", value, about });
const boolean = (name: string, about: string): CommandFlag => ({ name, kind: "boolean", about });

/** Verbs of kubectl that are not here: who types one means it. */
export const kubectlVerbs: ReadonlySet<string> = new Set([
  ...["annotate", "apply", "attach", "cordon", "cp", "create", "debug", "delete", "describe", "diff", "drain", "edit"],
  ...[
    "explain",
    "expose",
    "label",
    "patch",
    "port-forward",
    "replace",
    "rollout",
    "run",
    "scale",
    "taint",
    "top",
    "wait",
  ],
]);

/** Of those that look at things as the program would. */
const note = "The program's own flags (--config, --provider ...) hold here too: see virtual-kubelet --help.";

const output: CommandFlag = { ...text("output", "FORM", "text or json. [text]"), short: "o" };

const cluster: readonly CommandFlag[] = [
  { ...text("namespace", "NAME", "Default: the one of the kubeconfig's context."), short: "n" },
  text("kubeconfig", "FILE", "Default: $KUBECONFIG, then a trial that runs, then ~/.kube/config."),
  text("context", "NAME", "Of the kubeconfig. Default: its current one."),
];
const container: CommandFlag = { ...text("container", "NAME", "Default: the pod's first."), short: "c" };

export const subCommands: readonly SubCommandSpec[] = [
  {
    name: "trial",
    usage: "trial [flags]",
    about: "a cluster, a virtual node and a sample, just to look at",
    flags: [
      text(
        "provider",
        "NAME",
        "mock simulates containers; process runs real ones as processes of this machine; containers runs them in Docker or Podman. [mock]",
      ),
      text("image", "IMAGE", "Of the sample's containers with the provider containers: one with a shell. [busybox]"),
      text("engine", "URL", "Address of the container engine. Default: the one that is found."),
      { ...text("nodes", "N", "Number of virtual nodes. [1]") },
      text("directory", "DIR", "Keeps the cluster's state there over restarts. Default: in memory."),
      text(
        "kubeconfig",
        "FILE",
        "Uses the cluster of this file instead of one of its own; at the end exactly what was made there is deleted.",
      ),
      boolean("use-kubeconfig", "The same with $KUBECONFIG or ~/.kube/config."),
      text("context", "NAME", "The same with a context of that kubeconfig."),
      boolean("open", "Opens the web view in a browser."),
      boolean(
        "exit-after-ready",
        "Ends once the Deployment is available and the Job complete: code 0, or 1 when that takes too long.",
      ),
      text("time-limit", "DURATION", "How long that may take from when the sample is made. [1m]"),
    ],
  },
  {
    name: "get",
    usage: "get TYPE [NAME]",
    about: "lists pods, nodes, events and all else",
    flags: [
      { ...boolean("all-namespaces", "Of all namespaces."), short: "A" },
      { ...text("output", "FORM", "wide, json, yaml or name."), short: "o" },
      { ...boolean("watch", "Goes on with changes."), short: "w" },
      { ...text("selector", "LABELS", "Those with these labels: app=web,tier!=db."), short: "l" },
      text("field-selector", "FIELDS", "Those with these fields: spec.nodeName=vk-1."),
      boolean("no-headers", "Without the names of the columns."),
      ...cluster,
    ],
  },
  {
    name: "logs",
    usage: "logs POD|TYPE/NAME",
    about: "what a container printed",
    flags: [
      container,
      { ...boolean("follow", "Goes on until the container ends."), short: "f" },
      { ...boolean("previous", "Of the run before this one."), short: "p" },
      text("tail", "N", "The last lines alone. [-1: all]"),
      text("since", "DURATION", "What is newer than this: 30s, 5m."),
      boolean("timestamps", "With the time of each line."),
      ...cluster,
    ],
  },
  {
    name: "exec",
    usage: "exec POD -- CMD",
    about: "runs a command in a container",
    flags: [
      container,
      { ...boolean("stdin", "Passes the input on."), short: "i" },
      { ...boolean("tty", "With a terminal."), short: "t" },
      ...cluster,
    ],
  },
  {
    name: "plan",
    usage: "plan -f FILE",
    about: "what pods would become here, or what refuses them",
    flags: [
      { ...text("filename", "FILE", "Pods, or what makes pods, in YAML; - for standard input."), short: "f" },
      text("node", "NAME", "For this one of the configured nodes. Default: for all."),
      output,
    ],
    note,
  },
  {
    name: "why",
    usage: "why POD [-n NS]",
    about: "why a pod is where it is, and what to do",
    flags: [{ ...text("namespace", "NAME", "Default: the one of the kubeconfig's context."), short: "n" }, output],
    note,
  },
  { name: "doctor", usage: "doctor", about: "checks cluster, rights, network and provider", flags: [output], note },
];
