// What volumes and root directories of containers take of the disk, and what follows from it. Needs root on Linux.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { PodEngine } from "../../engine/pod-engine.ts";
import { directoryUsage } from "../../host/disk-usage.ts";
import { silentLogger } from "../../log.ts";
import type { PodReport } from "../../provider/pods.ts";
import type { PodStats } from "../../stats-summary.ts";
import { podOf, requestOf } from "../../testing/engine-bench.ts";
import { benchImage, benchRange, ProcessBench, quiet, until } from "../../testing/process-bench.ts";
import { withResolved } from "../../testing/resolved-literally.ts";

const mebi = 1024 * 1024;

function isAbout(bytes: number | undefined, expected: number): void {
  assert.ok(bytes !== undefined && bytes >= expected && bytes < expected + mebi / 2, `${bytes} is about ${expected}`);
}

describe("figures of a pod", () => {
  it("have its volumes, what its containers wrote into their roots, and its network", async () => {
    const root = mkdtempSync(join(tmpdir(), "vk-root-"));
    try {
      for (const path of ["bin", "usr", "lib", "lib64", "tmp"]) mkdirSync(join(root, path));
      chmodSync(root, 0o755);
      chmodSync(join(root, "tmp"), 0o1777);
      await using bench = new ProcessBench({
        ...{ network: "private", podCIDR: `${benchRange()}.0/28` },
        ...{ images: { "registry.example/root:*": { root } }, hostPaths: ["/"] },
      });
      await bench.open();
      const volumes = [
        { name: "disk", type: "emptyDir" as const, medium: "" },
        { name: "memory", type: "emptyDir" as const, medium: "Memory" },
        ...["usr", "bin", "lib", "lib64"].map((name) => ({
          ...{ name, type: "hostPath" as const, path: `/${name}`, hostPathType: "" },
        })),
      ];
      const podUid = await bench.pod({ volumes });
      const fill =
        "head -c 3145728 /dev/zero >/disk/a; head -c 2097152 /dev/zero >/memory/b; head -c 1048576 /dev/zero >/tmp/c";
      const ref = await bench.run(
        podUid,
        `ln /disk/a /disk/again; ln -s / /disk/link; ${fill}; ln /disk/a /disk/twice; echo done; sleep 1000`,
        {
          image: "registry.example/root:1",
          mounts: volumes.map(({ name }) => ({ volume: name, mountPath: `/${name}`, readOnly: false })),
        },
      );
      await until(async () => (await bench.log(ref)).some((line) => line.endsWith("done")), "all that is written");
      let figures: Pick<PodStats, "volume" | "ephemeral-storage" | "network"> | undefined;
      await until(async () => {
        figures = (await bench.runtime.stats(quiet)).pods?.get(podUid);
        return figures?.volume !== undefined;
      }, "figures");
      const used = new Map(figures?.volume?.map(({ name, usedBytes }) => [name, usedBytes]));
      assert.deepEqual([...used.keys()], ["disk", "memory"]);
      isAbout(used.get("disk"), 3 * mebi);
      isAbout(used.get("memory"), 2 * mebi);
      const [container] = (await bench.runtime.stats(quiet)).containers.get(podUid) ?? [];
      isAbout(container?.rootfs?.usedBytes, mebi);
      isAbout(figures?.["ephemeral-storage"]?.usedBytes, 4 * mebi);
      assert.equal(figures?.network?.name, "eth0");
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  it("leave out what is not there, and end when nobody waits any more", async () => {
    const root = mkdtempSync(join(tmpdir(), "vk-usage-"));
    try {
      const { signal } = new AbortController();
      assert.deepEqual([...(await directoryUsage([root, join(root, "no")], signal)).keys()], [root]);
      await assert.rejects(directoryUsage([root], AbortSignal.abort()), /cannot be measured/);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

describe("a pod beyond the limit of a volume", () => {
  it("is evicted", async () => {
    await using bench = new ProcessBench();
    const runtime = await bench.open();
    const engine = new PodEngine({ runtime, node: bench.node, log: silentLogger });
    const place = `${bench.directory}/v`;
    const script = `head -c 2097152 /dev/zero >${place}/big; exec sleep 1000`;
    const request = withResolved(
      requestOf(
        podOf({
          volumes: [{ name: "v", emptyDir: { sizeLimit: "1Mi" } }],
          containers: [{ name: "c", image: benchImage, command: ["/bin/sh", "-c", script] }],
        }),
      ),
    );
    const { resolved } = request;
    assert.ok(resolved !== undefined);
    const containers = resolved.containers.map((container) => ({
      ...container,
      mounts: [{ volume: "v", mountPath: place, readOnly: false }],
    }));
    const volumes = [{ name: "v", type: "emptyDir" as const, medium: "", sizeLimit: mebi }];
    await engine.createPod({ ...request, resolved: { ...resolved, volumes, containers } }, quiet);
    const report = (): Promise<PodReport> => engine.getPodStatus(request.owner, quiet);
    await until(async () => (await report()).containers.some(({ state }) => state.running !== undefined), "its start");
    await until(
      async () => (await report()).containers.every(({ state }) => state.terminated !== undefined),
      "its end",
      60_000,
    );
    const message = 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ';
    assert.deepEqual((await report()).failure, { reason: "Evicted", message });
    await engine[Symbol.asyncDispose]();
    await bench.open();
  });
});
