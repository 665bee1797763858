// What the assembly promises whoever runs it in a program of their own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const program = `
import { createKubeClient } from "./kube/connect.ts";
import { createMockProvider } from "./providers/mock/mock-provider.ts";
import { VirtualKubelet } from "./virtual-kubelet.ts";

const client = createKubeClient({ server: "https://127.0.0.1:1", user: {} });
const provider = await createMockProvider({ node: "n" });
const identity = { cluster: "c", user: "u", credentials: "service-account" };
const node = { name: "n", provider: { name: "mock", version: "1" }, kubeletVersion: "v1" };
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
// A listener for signals keeps no process alive.
console.log("runs");
await new VirtualKubelet({ client, identity, nodes: [{ node, provider }] }).run(stop.signal);
await client.close();
await provider[Symbol.asyncDispose]();
console.log("ended");
`;

describe("VirtualKubelet.run", () => {
  it("keeps its process alive while nothing is connected, and not a moment longer", async () => {
    const args = ["--conditions=source", "--input-type=module-typescript", "--eval", program];
    const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "pipe"] });
    try {
      let said = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => {
          said += text;
        });
      const exit = once(child, "exit");
      for (const deadline = Date.now() + 100_000; !said.includes("runs") && Date.now() < deadline; ) await sleep(50);
      await sleep(1500);
      assert.equal(child.exitCode, null, said);
      child.kill("SIGTERM");
      assert.deepEqual(await exit, [0, null], said);
      assert.match(said, /ended/);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
