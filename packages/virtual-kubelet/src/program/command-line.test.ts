// Go's way of writing flags.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCommandLine } from "./command-line.ts";

const cases: readonly (readonly [readonly string[], Readonly<Record<string, readonly string[]>>, readonly string[]])[] =
  [
    [["--nodename", "a"], { nodename: ["a"] }, []],
    [["--nodename=a"], { nodename: ["a"] }, []],
    [["--nodename="], { nodename: [""] }, []],
    [["--metrics-addr", "-1"], { "metrics-addr": ["-1"] }, []],
    [["--disable-taint"], { "disable-taint": ["true"] }, []],
    [["--disable-taint=false"], { "disable-taint": ["false"] }, []],
    [["--disable-taint", "false"], { "disable-taint": ["true"] }, ["false"]],
    [["--trace-tag", "a=b", "--trace-tag=c=d"], { "trace-tag": ["a=b", "c=d"] }, []],
    [["--klog.v=4", "--klog.logtostderr"], { "klog.v": ["4"], "klog.logtostderr": ["true"] }, []],
    [["providers", "mock"], {}, ["providers", "mock"]],
    [["-h"], { help: ["true"] }, []],
  ];
for (const [argv, given, words] of cases) {
  test(argv.join(" "), () => {
    const line = parseCommandLine(argv);
    assert.deepEqual(Object.fromEntries([...line.given].map(([spec, texts]) => [spec.name, texts])), given);
    assert.deepEqual(line.words, words);
    assert.deepEqual(line.faults, []);
  });
}

test("all that is wrong is told, not the first", () => {
  assert.deepEqual(parseCommandLine(["--nodenam=a", "-x", "--provider"]).faults, [
    { source: "--nodenam", message: "unknown flag (did you mean --nodename?)" },
    { source: "-x", message: "unknown flag" },
    { source: "--provider", message: "needs a value" },
  ]);
});

test("a switch of a sub-command is on or off, and no other word", () => {
  const own = [{ name: "use-kubeconfig", kind: "boolean" }] as const;
  assert.deepEqual(parseCommandLine(["trial", "--use-kubeconfig=/home/me/config"], own).faults, [
    { source: "--use-kubeconfig", message: '"/home/me/config" must be true or false' },
  ]);
  for (const text of ["true", "F", "0"])
    assert.deepEqual(parseCommandLine(["trial", `--use-kubeconfig=${text}`], own).faults, []);
});
