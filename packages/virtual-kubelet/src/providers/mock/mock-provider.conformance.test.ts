// The mock keeps the provider contract, with its backend in this process and in another.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import type { ConformanceOptions } from "../../testing/conformance-bench.ts";
import { providerConformance } from "../../testing/provider-conformance.ts";
import { createMockProvider } from "./mock-provider.ts";

const container = { name: "main", image: "any:1" };
const behaviour = "mock.virtual-kubelet.io";
const shared: Omit<ConformanceOptions, "create"> = {
  finishingPod: (exitCode) => ({
    spec: { restartPolicy: "Never", containers: [container] },
    annotations: { [`${behaviour}/run-time`]: "10ms", [`${behaviour}/exit-code`]: String(exitCode) },
  }),
  restartingPod: {
    spec: { restartPolicy: "Always", containers: [container] },
    annotations: { [`${behaviour}/run-time`]: "10ms", [`${behaviour}/restart-delay`]: "10ms" },
  },
  loggingPod: { spec: { containers: [container] }, annotations: { [`${behaviour}/log-interval`]: "10ms" } },
  interactivePod: { spec: { containers: [{ ...container, stdin: true, command: ["cat"] }] } },
  echoPod: { spec: { containers: [{ ...container, ports: [{ name: "echo", containerPort: 7 }] }] }, port: 7 },
};
const node = "conformance-node";

providerConformance("mock in this process", {
  ...shared,
  create: async () => ({ provider: await createMockProvider({ node }), dispose: async () => {} }),
});

providerConformance("mock that is slow to start, stop and show its pods", {
  ...shared,
  create: async () => {
    const config = {
      consistencyDelay: "100ms",
      behaviour: { startDelay: ["10ms", "50ms"], terminateDelay: ["10ms", "100ms"], readyDelay: "20ms" },
      faults: { latency: { "*": ["1ms", "5ms"] } },
    };
    return { provider: await createMockProvider({ node, config }), dispose: async () => {} };
  },
});

for (const kind of ["unix", "http"] as const) {
  const directory = await mkdtemp(join(tmpdir(), "mock-conformance-"));
  const listen = kind === "unix" ? `unix://${directory}/backend.sock` : "http://127.0.0.1:0";
  const backend = spawn(process.execPath, [join(import.meta.dirname, "backend-main.ts"), "--listen", listen], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: backend.stdout });
  const [line] = await once(lines, "line");
  const { address } = JSON.parse(String(line));
  assert.equal(typeof address, "string");
  after(async () => {
    backend.kill("SIGTERM");
    const [code] = await once(backend, "exit");
    assert.equal(code, 0);
    await rm(directory, { recursive: true });
  });

  providerConformance(`mock behind ${kind}`, {
    ...shared,
    outlives: true,
    create: async () => ({
      provider: await createMockProvider({ node, config: { backend: address } }),
      dispose: async () => {},
    }),
  });
}
