// The example keeps its word: it compiles as a user's file would, and it keeps the provider contract.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { createProvider } from "./tiny-provider.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

test("the tiny provider compiles under the strictest options", async () => {
  const tsc = join(import.meta.dirname, "../../node_modules/.bin/tsc");
  const { stdout } = await promisify(execFile)(tsc, ["--project", import.meta.dirname]);
  assert.equal(stdout, "");
});

providerConformance("the tiny provider", {
  addresses: false,
  loggingPod: { spec: { containers: [{ name: "main", image: "any:1" }] } },
  lacks: [
    ...(["updatePod", "stopPod", "watchPods", "watchNode", "ping", "configureNode"] as const),
    ...(["runInContainer", "attachToContainer", "portForward", "getStatsSummary"] as const),
  ],
  create: async () => {
    const init = { node: "conformance-node", operatingSystem: "linux", cluster: "conformance", log: silent };
    const more = { clusterDomain: "cluster.local", daemonEndpointPort: 10250 };
    const context = { signal: new AbortController().signal, log: silent };
    return { provider: await createProvider({ ...init, ...more }, context), dispose: async () => {} };
  },
});
