// docs/migration.md against the program: every flag and variable of the Go project is there, and does here what the page says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { flagSpecs } from "../../packages/virtual-kubelet/src/program/flags.ts";
import { variables } from "../../packages/virtual-kubelet/src/program/overrides.ts";

const read = (file: string): string => readFileSync(join(import.meta.dirname, "../../docs", file), "utf8");
const page = read("migration.md");

/** Rows of the table below a heading: the code in the first cell, and the text of the second. */
function rows(heading: string): readonly { readonly names: readonly string[]; readonly says: string }[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? assert.fail(`no section ${heading}`);
  return [...section.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].map(([, first = "", says = ""]) => ({
    names: [...first.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
    says,
  }));
}

const klog = ["add_dir_header", "alsologtostderr", "alsologtostderrthreshold", "legacy_stderr_threshold_behavior"];
const moreKlog = ["log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "logtostderr", "one_output"];
const lastKlog = ["skip_headers", "skip_log_headers", "stderrthreshold", "v", "vmodule"];
const theirFlags = [
  ...["cluster-domain", "disable-taint", "enable-node-lease", "full-resync-period", "kubeconfig", "log-level"],
  ...["metrics-addr", "namespace", "nodename", "os", "pod-sync-workers", "provider", "provider-config"],
  ...["startup-timeout", "stream-creation-timeout", "stream-idle-timeout", "taint"],
  ...["trace-exporter", "trace-sample-rate", "trace-service-name", "trace-tag"],
  ...[...klog, ...moreKlog, ...lastKlog].map((name) => `klog.${name}`),
];
const theirVariables = [
  ...["KUBECONFIG", "DEFAULT_NODE_NAME", "KUBELET_PORT", "VKUBELET_POD_IP"],
  ...["VKUBELET_TAINT_KEY", "VKUBELET_TAINT_VALUE", "VKUBELET_TAINT_EFFECT"],
  ...["APISERVER_CERT_LOCATION", "APISERVER_KEY_LOCATION", "APISERVER_CA_CERT_LOCATION"],
  ...["JAEGER_COLLECTOR_ENDPOINT", "JAEGER_AGENT_ENDPOINT", "JAEGER_USER", "JAEGER_PASSWORD"],
  ...["OCAGENT_ENDPOINT", "OCAGENT_INSECURE", "ZPAGES_PORT"],
];

test("the page has each flag of the Go project, this program takes it, and what has no effect is told", () => {
  const told = rows("Flags").flatMap(({ names, says }) => names.map((name) => ({ name: name.slice(2), says })));
  assert.deepEqual(told.map(({ name }) => name).sort(), [...theirFlags].sort());
  for (const { name, says } of told) {
    const spec = flagSpecs.find((each) => each.name === name) ?? assert.fail(`--${name}: the program has no such flag`);
    assert.equal(/^no effect/.test(says), spec.ignored !== undefined, `--${name}: ${says}`);
  }
});

test("the page has each variable of the Go project, and this program knows it", () => {
  const told = rows("Environment").flatMap(({ names }) => names);
  assert.deepEqual([...told].sort(), [...theirVariables].sort());
  const known = read("configuration.md").split("\n## Environment\n")[1] ?? "";
  for (const name of told)
    assert.ok(variables.some((each) => each.name === name) || known.includes(name), `${name}: the program has no such`);
});
