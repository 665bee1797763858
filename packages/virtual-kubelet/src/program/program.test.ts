// The program as its caller sees it: what it prints, and its exit codes.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { assertGolden } from "../testing/golden.ts";
import type { LoadedConfig } from "./load-config.ts";
import { program } from "./program.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ran: LoadedConfig | undefined;
}

async function run(argv: readonly string[], daemon: () => Promise<void> = () => Promise.resolve()): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  let ran: LoadedConfig | undefined;
  const code = await program({
    argv,
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    run: async (loaded) => {
      ran = loaded;
      await daemon();
    },
  });
  return { code, stdout, stderr, ran };
}

const golden = (name: string, text: string): Promise<void> =>
  assertGolden(join(import.meta.dirname, "golden", name), text);

test("--help", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  await golden("help.txt", stdout);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal((await run(["help"])).stdout, stdout);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 100, line);
});

test("--print-config", async () => {
  const argv = ["--provider=mock", "--nodename=vk-{}", "--nodes=2", "--klog.v=2", "--print-config", "--trace-tag=a=b"];
  const { code, stdout, ran } = await run(argv);
  await golden("print-config.yaml", stdout);
  assert.deepEqual([code, ran], [0, undefined]);
});

test("version", async () => {
  for (const argv of [["version"], ["--version"], ["-v"]]) {
    const { code, stdout } = await run(argv);
    assert.match(
      stdout,
      /^Version: v\d+\.\d+\.\d+, Built: \S+\nNode\.js: v\d+\.\d+\.\d+, Kubernetes: 1\.\d+ to 1\.\d+\n$/,
    );
    assert.equal(code, 0);
  }
});

test("providers", async () => {
  assert.deepEqual(await run(["providers"]), {
    code: 0,
    stdout: "mock\nprocess\ncomposite\ncontainers\naci\nfargate\nnomad\neci\n",
    stderr: "",
    ran: undefined,
  });
  assert.equal((await run(["providers", "mock"])).code, 0);
  assert.equal((await run(["providers", "azure"])).code, 0);
  assert.deepEqual(await run(["providers", "docker"]), {
    code: 1,
    stdout: "",
    stderr: "no such provider: docker\n",
    ran: undefined,
  });
});

test("wrong usage is code 2, and nothing runs", async () => {
  const { code, stderr, ran } = await run(["--provider=mock", "--pod-sync-workers=0", "--nodenme=x"]);
  assert.equal(
    stderr,
    '2 faults in the configuration:\n  --nodenme: unknown flag (did you mean --nodename?)\n  --pod-sync-workers: 0 must be a whole number from 1 to 10000\nTry "virtual-kubelet --help".\n',
  );
  assert.deepEqual([code, ran], [2, undefined]);
  assert.match(
    (await run([])).stderr,
    /has no provider.*\nJust looking\? "virtual-kubelet trial" needs no cluster\.\n/,
  );
  assert.match((await run(["describe", "pod", "web"])).stderr, /^"describe" is kubectl's; here are get, logs and exec/);
  assert.match((await run(["apply", "-f", "x.yaml"])).stderr, /^"apply" is kubectl's/);
  assert.equal(
    (await run(["provders"])).stderr,
    'unknown command "provders" (did you mean providers?)\nTry "virtual-kubelet --help".\n',
  );
  assert.match(
    (await run(["--provider=mock", "--nodname", "vk"])).stderr,
    /--nodname: unknown flag \(did you mean --nodename\?\)/,
  );
});

test("a file that cannot be read is the one fault", async () => {
  const { code, stderr } = await run(["--config", "none.yaml"]);
  assert.match(stderr, /^1 fault in the configuration:\n {2}none.yaml: cannot be read: ENOENT/);
  assert.equal(code, 2);
});

test("what looks at things says that the program's flags hold, and where its own are", async () => {
  for (const command of ["plan", "why", "doctor"])
    assert.match((await run([command, "--help"])).stdout, /program's own flags .* see\svirtual-kubelet\s--help\.\n/s);
  assert.match((await run(["why"])).stderr, /name one pod.*\nTry "virtual-kubelet why --help"\.\n/);
});

test("an end in peace is code 0, a fault is code 1", async () => {
  const quiet = ["--provider=mock", "--log-level=error"];
  const { code, ran } = await run(quiet);
  assert.deepEqual([code, ran?.config.nodes[0]?.name], [0, "virtual-kubelet"]);
  const fault = (): Promise<void> => Promise.reject(new VirtualKubeletError("Invalid", "expected by this test"));
  assert.equal((await run(quiet, fault)).code, 1);
});
