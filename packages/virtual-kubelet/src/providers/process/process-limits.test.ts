// What bounds containers, and what does without namespaces or without root. Needs root on Linux.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chownSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { ProcessBench, quiet, refuses, until } from "../../testing/process-bench.ts";

describe("without namespaces", () => {
  it("a mount that cannot be at its path is refused", async () => {
    await using bench = new ProcessBench({ isolation: "none", hostPaths: ["/usr"] });
    await bench.open();
    const podUid = await bench.pod({
      volumes: [
        { name: "e", type: "emptyDir", medium: "" },
        { name: "h", type: "hostPath", path: "/usr", hostPathType: "" },
      ],
    });
    await assert.rejects(
      bench.run(podUid, "true", { mounts: [{ volume: "e", mountPath: "/data", readOnly: false }] }),
      refuses("Unsupported", "volumeMounts[e].mountPath"),
    );
    const ref = await bench.run(podUid, "ls /usr/bin >/dev/null && echo fine", {
      mounts: [{ volume: "h", mountPath: "/usr", readOnly: false }],
    });
    await bench.ended(ref);
    assert.deepEqual(await bench.log(ref), ["stdout F fine"]);
  });

  for (const cgroups of ["auto", "off"]) {
    it(`no process is left, not those in the background with a session of their own (cgroups ${cgroups})`, async () => {
      await using bench = new ProcessBench({ isolation: "none", cgroups });
      await bench.open();
      const podUid = await bench.pod();
      const daemon = `setsid sh -c 'echo in >>/dev/null; exec sleep 98765' </dev/null & sleep 98765 & echo ready`;
      const env = [{ name: "VKTEST", value: bench.directory }];
      const byItself = await bench.run(podUid, `${daemon}; sleep 0.3; exit 6`, { name: "ends", env });
      const stopped = await bench.run(podUid, `${daemon}; trap '' TERM; while :; do sleep 0.1; done`, {
        name: "stopped",
        env,
      });
      assert.equal((await bench.ended(byItself)).exitCode, 6);
      await until(async () => (await bench.log(stopped)).length > 0, "the other one");
      await bench.runtime.stopContainer(stopped, { gracePeriodSeconds: 0 }, quiet);
      assert.equal((await bench.container(stopped)).exitCode, 137);
      // Its own shell may take a moment to end.
      await until(
        () => bench.processes().length === 0,
        () =>
          bench
            .processes()
            .map(({ command }) => command)
            .join("; "),
        3000,
      );
    });
  }
});

describe("limits", () => {
  it("a container over its memory limit is OOMKilled, and figures come from its group", async () => {
    await using bench = new ProcessBench({ cgroups: "required" });
    await bench.open();
    const podUid = await bench.pod();
    const calm = await bench.run(podUid, "while :; do :; done", {
      name: "calm",
      resources: { limits: { cpu: "200m", memory: "64Mi" } },
    });
    const greedy = await bench.run(podUid, "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done", {
      resources: { limits: { memory: "20Mi" } },
    });
    const end = await bench.ended(greedy);
    assert.deepEqual([end.exitCode, end.reason], [137, "OOMKilled"]);
    await until(async () => {
      const figures = (await bench.runtime.stats(quiet)).containers.get(podUid)?.[0];
      return (figures?.cpu?.usageNanoCores ?? 0) > 0 && (figures?.memory?.workingSetBytes ?? 0) > 0;
    }, "figures");
    const rate = (await bench.runtime.stats(quiet)).containers.get(podUid)?.[0]?.cpu?.usageNanoCores ?? 0;
    assert.ok(rate < 400_000_000, `held to a fifth of a core: ${rate}`);
    await bench.runtime.updateResources?.(calm, { limits: { cpu: "500m", memory: "128Mi" } }, {}, quiet);
  });
});

describe("as another user than root", () => {
  it("containers run as that user, and what needs root is refused", async () => {
    await using bench = new ProcessBench({ isolation: "none" });
    chownSync(bench.directory, 65534, 65534);
    const main = join(import.meta.dirname, "../../testing/process-crash-main.ts");
    const child = spawn(process.execPath, ["--conditions=source", main, JSON.stringify(bench.config)], {
      ...{ stdio: ["pipe", "pipe", "inherit"], uid: 65534, gid: 65534, cwd: "/" },
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "open");
    const uid = randomUUID();
    for (const call of ["pod", "create", "start"]) {
      child.stdin.write(
        `${JSON.stringify({ call, uid, name: "main", attempt: 0, script: "id -u; grep NoNewPrivs /proc/self/status; exit 3" })}\n`,
      );
      assert.equal((await lines.next()).value, "done", call);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await bench.open();
    const ref = { podUid: uid, name: "main", attempt: 0 };
    assert.equal((await bench.ended(ref)).exitCode, 3);
    assert.deepEqual(await bench.log(ref), ["stdout F 65534", "stdout F NoNewPrivs:\t1"]);
  });
});
