import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { stringify } from "yaml";
import type { Config } from "../program/config.ts";
import { loadConfig } from "../program/load-config.ts";
import { type NodeConfigOptions, nodeConfig } from "./node-config.ts";
import { opener } from "./open-browser.ts";

const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-node-config-"));
after(() => rmSync(directory, { recursive: true }));

/** As the program takes it. */
async function loaded(change: Partial<NodeConfigOptions>): Promise<Config> {
  const options: NodeConfigOptions = {
    provider: "mock",
    names: ["vk-1"],
    directory: "/tmp/state",
    ownCluster: true,
    address: "127.0.0.1",
    isRoot: false,
    engine: undefined,
    ...change,
  };
  const file = join(directory, "config.yaml");
  writeFileSync(file, stringify(nodeConfig(options)));
  return (await loadConfig({ argv: ["--config", file], env: {}, cwd: directory })).config;
}

test("in a cluster of its own all pods may come, and the web view is for this machine", async () => {
  const config = await loaded({ names: ["vk-1", "vk-2"] });
  assert.deepEqual(
    config.nodes.map(({ name, port, taints, internalIP }) => [name, port, taints, internalIP]),
    [
      ["vk-1", 0, [], "127.0.0.1"],
      ["vk-2", 0, [], "127.0.0.1"],
    ],
  );
  assert.deepEqual(config.webView, { enabled: true, insecureWithoutAuthentication: true });
  assert.equal(config.metricsAddr, "127.0.0.1:0");
});

test("in a cluster of the user's the node keeps its taint, and there is no web view", async () => {
  const { nodes, webView, node } = await loaded({ ownCluster: false, address: undefined });
  const taint = { key: "virtual-kubelet.io/provider", value: "mock", effect: "NoSchedule" };
  assert.deepEqual([nodes[0]?.taints, nodes[0]?.internalIP, webView.enabled], [[taint], undefined, false]);
  assert.equal(node.onShutdown, "delete");
});

test("what runs really is kept apart as far as this user may", async () => {
  const process = async (isRoot: boolean): Promise<unknown> =>
    (await loaded({ provider: "process", isRoot })).nodes[0]?.provider.config;
  const common = { stateDirectory: "/tmp/state", images: { "*": "host" } };
  assert.deepEqual(await process(true), { ...common, isolation: "namespaces" });
  assert.deepEqual(await process(false), { ...common, isolation: "none" });
  const engine = await loaded({ provider: "containers", engine: "unix:///run/e.sock" });
  assert.deepEqual(engine.nodes[0]?.provider.config, { stateDirectory: "/tmp/state", endpoint: "unix:///run/e.sock" });
});

test("each system's opener of pages", () => {
  const url = "http://127.0.0.1:1/view/";
  assert.deepEqual(opener("linux", url), ["xdg-open", url]);
  assert.deepEqual(opener("darwin", url), ["open", url]);
  assert.equal(opener("win32", url).at(-1), url);
});
