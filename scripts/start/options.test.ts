import assert from "node:assert/strict";
import { test } from "node:test";
import { testRefusedOptions } from "../../packages/virtual-kubelet/src/testing/refused-options.ts";
import { readOptions } from "./options.ts";

const read = (...argv: string[]): ReturnType<typeof readOptions> => readOptions(argv, {}, "/home/me");

test("without options it is the trial, without a real control plane", () => {
  const options = read();
  assert.ok(options !== "help");
  assert.equal(options.kubernetes, undefined);
  assert.deepEqual(options.trial.cluster, { kind: "own", directory: undefined });
});

test("--kubernetes is taken out, everything else is the trial's", () => {
  for (const words of [["--kubernetes", "1.35"], ["--kubernetes=1.35"]]) {
    const options = read("--exit-after-ready", ...words, "--time-limit=90s");
    assert.ok(options !== "help");
    assert.equal(options.kubernetes, "1.35.4");
    assert.deepEqual([options.trial.exitAfterReady, options.trial.timeLimitMs], [true, 90_000]);
  }
  const options = read("--kubernetes", "--exit-after-ready");
  assert.ok(options !== "help");
  assert.equal(options.kubernetes, "1.36.3");
  assert.equal(read("-h"), "help");
  assert.equal(read("--help", "--nonsense"), "help");
});

testRefusedOptions(read, [
  [
    ["--kubernets", "1.36"],
    [
      /--kubernets: unknown flag.* \(did you mean --kubernetes\?\)/,
      /1\.36: npm start takes no arguments; options go behind `npm start --`/,
    ],
  ],
  [["config"], [/config: npm start takes no arguments; options go behind `npm start --`/]],
  [["--use-kubeconfig", "--kubernetes", "1.36"], [/--kubernetes: has no effect/]],
  [["--directory", "state", "--kubernetes", "1.36"], [/--directory: is for the control plane in one process/]],
  [
    ["--kubernetes", "1.2", "--nodes", "0"],
    [/--kubernetes: no Kubernetes 1\.2 here/, /--nodes: "0" must be/],
  ],
]);
