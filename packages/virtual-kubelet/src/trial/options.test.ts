import assert from "node:assert/strict";
import { test } from "node:test";
import { testRefusedOptions } from "../testing/refused-options.ts";
import { readTrialOptions, type TrialOptions } from "./options.ts";

const read = (...argv: string[]): TrialOptions => readTrialOptions(argv, "/home/me");

test("without options: a cluster of its own in memory, one node that simulates", () => {
  assert.deepEqual(read(), {
    cluster: { kind: "own", directory: undefined },
    provider: "mock",
    image: "host",
    engine: undefined,
    nodes: 1,
    open: false,
    exitAfterReady: false,
    timeLimitMs: 60_000,
  });
});

test("options mean what they say; paths are those of the user", () => {
  const engine = read("--provider", "containers", "--engine", "unix:///run/e.sock", "--nodes=3");
  assert.deepEqual(
    [engine.provider, engine.image, engine.engine, engine.nodes],
    ["containers", "busybox", "unix:///run/e.sock", 3],
  );
  assert.deepEqual(read("--directory", "state").cluster, { kind: "own", directory: "/home/me/state" });
  assert.deepEqual(read("--kubeconfig", "my/config", "--context", "kind").cluster, {
    kind: "existing",
    kubeconfig: "/home/me/my/config",
    context: "kind",
  });
  for (const argv of [["--use-kubeconfig"], ["--context", "kind"]])
    assert.equal(read(...argv).cluster.kind, "existing", argv.join());
});

testRefusedOptions(read, [
  [["--exit-after-redy"], [/--exit-after-redy: unknown flag \(did you mean --exit-after-ready\?\)/]],
  [["--kubeconfig"], [/--kubeconfig: needs a value/]],
  [["nodes"], [/nodes: trial takes no arguments \(did you mean --nodes\?\)/]],
  [["--nodename", "vk"], [/--nodename: is not for trial/]],
  [["--provider", "proces"], [/"proces" must be .* \(did you mean process\?\)/]],
  [["--time-limit", "2m"], [/--time-limit: has no effect without/]],
  [["--directory", "d", "--provider", "process"], [/--directory: keeps a cluster/]],
  [
    ["--directory", "d", "--use-kubeconfig", "--open"],
    [/--directory: is for a cluster of the trial's own/, /--open: is for a cluster of the trial's own/],
  ],
  [
    ["--image", "a", "--engine", "b"],
    [/--engine: is for --provider containers/, /--image: is for --provider containers/],
  ],
  [
    ["--kubeconfig", "a", "--use-kubeconfig", "--bogus", "--nodes", "0", "--exit-after-ready", "--time-limit", "soon"],
    [/--bogus: unknown/, /give only one/, /--nodes: "0" must be a number/, /"soon" is no time/],
  ],
]);
