import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { test } from "node:test";
import { type Machine, planEndToEnd, type Wish } from "./e2e-plan.ts";

const file = (name: string): string => join(import.meta.dirname, "../e2e", `${name}.test.ts`);
const files = ["chaos-kill", "dev-day", "metrics-server", "workloads"].map(file);
const complete: Machine = {
  noControlPlane: undefined,
  noPeers: undefined,
  noBrowser: undefined,
  noRoot: undefined,
  noContainers: undefined,
  hasKubectl: true,
  isCi: false,
};
const all: Wish = { files, areNamed: false, devClusterOnly: false };
const none = "Go is not installed";

const cases: readonly {
  readonly what: string;
  readonly wish?: Partial<Wish>;
  readonly machine?: Partial<Machine>;
  readonly real?: string;
  readonly dev?: string;
  readonly skips?: readonly string[];
}[] = [
  { what: "a complete machine", real: "chaos-kill dev-day metrics-server workloads" },
  { what: "CI", machine: { isCi: true }, real: "chaos-kill dev-day metrics-server workloads", dev: "workloads" },
  {
    what: "no Go and no binaries",
    machine: { noControlPlane: none, noPeers: none },
    dev: "chaos-kill dev-day workloads",
    skips: [`with programs that Go builds: metrics-server: ${none}`],
  },
  {
    what: "no Go, for what is about a real control plane, or has custom resources",
    wish: { files: ["chart-install", "control-plane", "dev-traffic", "kubectl-logs"].map(file) },
    machine: { noControlPlane: none, noPeers: none },
    dev: "kubectl-logs",
    skips: [`on a real control plane: chart-install, control-plane, dev-traffic: ${none}`],
  },
  {
    what: "a machine without root",
    wish: { files: ["podman", "process-kill", "workloads"].map(file) },
    machine: { noRoot: "no root", noContainers: "no root" },
    real: "workloads",
    skips: ["in containers: podman: no root", "as processes: process-kill: no root"],
  },
  {
    what: "no kubectl either",
    machine: { noControlPlane: none, noPeers: none, hasKubectl: false },
    skips: [
      `with programs that Go builds: metrics-server: ${none}`,
      "on the development cluster: chaos-kill, dev-day, workloads: there is no kubectl on the PATH",
    ],
  },
  {
    what: "binaries without Go",
    machine: { noPeers: none },
    real: "chaos-kill workloads",
    skips: [`with programs that Go builds: dev-day, metrics-server: ${none}`],
  },
  {
    what: "a machine without a browser",
    wish: { files: ["web-view", "web-view-pictures", "workloads"].map(file) },
    machine: { noBrowser: "no browser" },
    real: "workloads",
    skips: ["in a browser: web-view, web-view-pictures: no browser"],
  },
  {
    what: "a suite by its name, without Go",
    wish: { files: [file("chaos-kill")], areNamed: true },
    machine: { noControlPlane: none },
    dev: "chaos-kill",
  },
  {
    what: "the development cluster where there is a real one",
    wish: { devClusterOnly: true },
    dev: "chaos-kill dev-day workloads",
    skips: ["with programs that Go builds: metrics-server: only the development cluster is asked for"],
  },
];
for (const { what, wish, machine, real = "", dev = "", skips = [] } of cases)
  test(`end-to-end suites of ${what}`, () => {
    const plan = planEndToEnd({ ...all, ...wish }, { ...complete, ...machine });
    const names = (of: readonly string[]): string => of.map((each) => basename(each, ".test.ts")).join(" ");
    assert.deepEqual([names(plan.real), names(plan.devCluster)], [real, dev]);
    assert.deepEqual(
      plan.skips.map(({ title, reason }) => `${title}: ${reason}`),
      skips,
    );
  });
