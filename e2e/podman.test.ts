// An engine of a test is whole, outlives its service, and nothing of it is left: not after the test, not when the test was killed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { mountsUnder } from "../packages/virtual-kubelet/src/host/mounts.ts";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

describe("an engine of a test", () => {
  it("runs containers in a network of its own, and removes them all", async () => {
    let bench: PodmanBench;
    {
      await using podman = await PodmanBench.start();
      bench = podman;
      assert.deepEqual(await bench.leftovers(), []);
      const script = "cat /etc/passwd; ip -4 -o address show eth0; sleep 600";
      const id = await bench.podman("run", "--detach", "--publish", "127.0.0.1::80", benchImage, "sh", "-c", script);
      await eventually("the container writes", 10_000, async () => {
        const text = await bench.podman("logs", id);
        return text.includes("root:x:0:0:") && text.includes(` ${bench.subnet.replace(/0\/24$/, "")}`);
      });
      const left = (await bench.leftovers()).join("\n");
      assert.match(left, new RegExp(`container ${id}`));
      assert.match(left, new RegExp(`^${bench.bridge}$`, "m"));
      assert.match(left, /--comment "dnat name: /);
      assert.match(left, /^process \d+: .*conmon/m);
      assert.match(left, /^process \d+: .*sleep 600/m);
    }
    assert.deepEqual(await bench.leftovers(), []);
    assert.equal(existsSync(bench.directory), false);
  });

  it("has containers that outlive its service, and are dead when the host was", async () => {
    await using bench = await PodmanBench.start();
    const id = await bench.podman("run", "--detach", benchImage, "sleep", "600");
    const state = (): Promise<string> => bench.podman("inspect", "--format", "{{.State.Status}} {{.State.Pid}}", id);
    const before = await state();
    assert.match(before, /^running \d+$/);
    await bench.restart();
    assert.equal(await state(), before);
    await bench.crash();
    assert.deepEqual(await bench.leftovers(), [`container ${id}`]);
    assert.deepEqual(mountsUnder(bench.directory), []);
    await bench.resume();
    assert.deepEqual(await bench.containers(), [id]);
    assert.match(await state(), /^(exited|created) 0$/);
    await bench.podman("start", id);
    assert.match(await state(), /^running \d+$/);
    assert.equal(existsSync(`/run/runc/${id}`), true);
  });

  it("is removed when its test was killed", async () => {
    const { directory, bridge, subnet } = await killedTest();
    await nothingLeft(directory, bridge, subnet);
  });

  it("is removed by the next test when what cleans up was killed too", async () => {
    const { directory, bridge, subnet } = await killedTest("and its cleanup");
    assert.equal(existsSync(directory), true);
    assert.equal(existsSync(`/sys/class/net/${bridge}`), true);
    await using bench = await PodmanBench.start({ images: [] });
    assert.notEqual(bench.directory, directory);
    await nothingLeft(directory, bridge, subnet);
  });
});

interface Killed {
  readonly directory: string;
  readonly bridge: string;
  readonly subnet: string;
}

/** Kills a program that has a bench with a running container. */
async function killedTest(more?: "and its cleanup"): Promise<Killed> {
  const main = join(import.meta.dirname, "podman-crash-main.ts");
  const child = spawn(process.execPath, ["--conditions=source", main], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  const early = ended.then(([code]) => assert.fail(`it has ended, with ${code}`));
  const [line]: unknown[] = await Promise.race([once(createInterface(child.stdout), "line"), early]);
  const told: unknown = JSON.parse(String(line));
  assert.ok(typeof told === "object" && told !== null && "cleanupPid" in told && typeof told.cleanupPid === "number");
  assert.ok("directory" in told && "bridge" in told && "subnet" in told);
  const killed = { directory: String(told.directory), bridge: String(told.bridge), subnet: String(told.subnet) };
  assert.match(readFileSync(`/proc/${told.cleanupPid}/cmdline`, "utf8"), new RegExp(killed.directory));
  if (more !== undefined) process.kill(told.cleanupPid, "SIGKILL");
  child.kill("SIGKILL");
  await ended;
  return killed;
}

async function nothingLeft(directory: string, bridge: string, subnet: string): Promise<void> {
  await eventually("the bench is removed", 60_000, () => !existsSync(directory));
  assert.equal(existsSync(`${directory}.lock`), false);
  assert.equal(existsSync(`/sys/class/net/${bridge}`), false);
  assert.deepEqual(mountsUnder(directory), []);
  assert.equal((await runTool("iptables-save", [])).includes(subnet), false);
  const found = await runTool("sh", ["-c", `grep -laF '${directory}/' /proc/[0-9]*/cmdline | grep -v /self/ || true`]);
  const others = found.split("\n").filter((file) => file !== "" && existsSync(file));
  assert.deepEqual(others, []);
}
