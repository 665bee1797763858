import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readMockConfig } from "./config.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "mock-config-"));
});
after(() => rm(directory, { recursive: true }));

async function file(text: string): Promise<{ readonly path: string }> {
  const path = join(directory, "config");
  await writeFile(path, text);
  return { path };
}

test("reads the file of the Go implementation's mock", async () => {
  const text = JSON.stringify({
    "vk-1": {
      cpu: "2",
      memory: "32Gi",
      pods: "128",
      others: { "nvidia.com/gpu": "1" },
      providerID: "mock://1",
    },
    "vk-2": {},
  });
  const one = await readMockConfig("vk-1", await file(text));
  assert.deepEqual(
    [one.cpu, one.memory, one.pods, one.others, one.providerID],
    ["2", "32Gi", "128", { "nvidia.com/gpu": "1" }, "mock://1"],
  );
  for (const node of ["vk-2", "not-named"]) {
    const { cpu, memory, pods, others, providerID } = await readMockConfig(node, await file(text));
    assert.deepEqual([cpu, memory, pods, others, providerID], ["20", "100Gi", "20", {}, undefined], node);
  }
});

test("has room for many pods when nothing is configured", async () => {
  const { cpu, memory, pods, addresses, backend } = await readMockConfig("n", {});
  assert.deepEqual([cpu, memory, pods, addresses, backend], ["64", "256Gi", "1000", ["10.244.0.0/16"], undefined]);
});

test("the common section holds for all nodes, the node's own before it; YAML as well", async () => {
  const source = await file(`
$mock:
  pods: 500
  seed: 7
  behaviour: { startDelay: [100ms, 1m30s], runTime: 5s }
vk-1:
  cpu: 4
`);
  const config = await readMockConfig("vk-1", source);
  assert.deepEqual([config.cpu, config.pods, config.seed], ["4", "500", 7]);
  assert.deepEqual(config.behaviour, { startDelay: [100, 90_000], runTime: 5000 });
});

test("all faults are told at once, each with its field", async () => {
  const config = {
    cpu: "two",
    others: { "nvidia.com/gpu": "-1" },
    addresses: ["10.0.0.0/40"],
    behaviour: { runTime: "soon", exitCode: 300, startDelay: ["5s", "1s"], pace: "1s" },
    faults: { latency: { createPods: "1s" }, errors: [{ method: "ping", kind: "Bad" }] },
    nodes: 3,
  };
  await assert.rejects(readMockConfig("n", { object: config }), (error: unknown) => {
    assert.ok(error instanceof Error && "kind" in error && "field" in error);
    assert.equal(error.kind, "Invalid");
    assert.equal(error.field, "cpu");
    for (const field of [
      'cpu: "two" is not a quantity',
      'others["nvidia.com/gpu"]: must not be negative',
      "addresses[0]: ",
      "behaviour.runTime: ",
      "behaviour.exitCode: must be at most 255",
      "behaviour.startDelay: must not begin above its end",
      "behaviour.pace: unknown setting; known here: startDelay,",
      "faults.latency.createPods: ",
      "faults.errors[0].kind: must be one of NotFound,",
      "nodes: unknown setting",
    ]) {
      assert.ok(error.message.includes(field), `${field} is in: ${error.message}`);
    }
    return true;
  });
});

test("faults of a file name its section; broken files and settings without effect are refused", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{"vk-1": {"cpu": "x"}, "vk-2": {"memory": "1GB"}}', /vk-1\.cpu: .*vk-2\.memory: /],
    ["[1, 2]", /must be an object/],
    ["{", /config/],
    ['{"vk-1": {"backend": "tcp://x"}}', /vk-1\.backend: must be unix/],
    ['{"vk-1": {"backend": "unix:///x.sock", "seed": 1}}', /vk-1\.seed: has no effect beside backend/],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(readMockConfig("vk-1", await file(text)), { kind: "Invalid", message });
  }
  await assert.rejects(readMockConfig("n", { path: join(directory, "absent") }), {
    kind: "Invalid",
    message: /ENOENT/,
  });
  await assert.rejects(readMockConfig("n", { path: "x", object: {} }), { kind: "Invalid", message: /both/ });
});

test("the configurations that the documentation shows are good", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../../../docs/mock.md"), "utf8");
  const examples = [...text.matchAll(/```(?:yaml|json)\n([^`]*)```/g)].map(([, example]) => example ?? "");
  const configurations = examples.filter((example) => /^(\{|\$mock:|vk-1:)/.test(example));
  assert.equal(configurations.length, 3);
  const [plain, full, remote] = await Promise.all(
    configurations.map(async (example, index) => {
      const path = join(directory, `example-${index}`);
      await writeFile(path, example);
      return await readMockConfig("vk-1", { path });
    }),
  );
  assert.equal(plain?.pods, "128");
  assert.equal(full?.faults.errors?.length, 2);
  assert.equal(remote?.backend, "unix:///tmp/mock.sock");
});
