// The disk of a node runs full: the node says so, pods go by what they take of it beyond what they asked for, and when there is
// room again it is a node like before. The state directory is a small file system of its own. Needs root on Linux.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mountsUnder } from "../packages/virtual-kubelet/src/host/mounts.ts";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import { events, nodes, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Node, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { ContainersSubject } from "./containers.ts";
import { eventually, type Harness, isRunning, startHarness, tolerateVirtual } from "./harness.ts";

const mebi = 1024 * 1024;
/** Two looks of the node at its disk, and an eviction or two of a machine that is busy. */
const patience = 120_000;

/** A file system that is full soon. */
class SmallDisk implements AsyncDisposable {
  readonly #directory: string = mkdtempSync(join(tmpdir(), "vk-disk-"));
  readonly path: string = join(this.#directory, "mounted");

  static async make(bytes: number): Promise<SmallDisk> {
    await using parts = new AsyncDisposableStack();
    const disk = parts.use(new SmallDisk());
    const file = join(disk.#directory, "disk");
    writeFileSync(file, "");
    truncateSync(file, bytes);
    mkdirSync(disk.path);
    await runTool("mkfs.ext4", ["-q", "-m", "0", file]);
    await runTool("mount", ["-o", "loop", file, disk.path]);
    parts.move();
    return disk;
  }

  /** Of all. */
  get available(): number {
    const { bavail, blocks } = statfsSync(this.path);
    return bavail / blocks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Who was killed may have something open there until the kernel has taken it apart.
    await eventually("it is unmounted", 10_000, async () => {
      if (mountsUnder(this.#directory).length > 0) await runTool("umount", [this.path]);
      return true;
    });
    rmSync(this.#directory, { recursive: true });
  }
}

describe("a disk that runs full", () => {
  const parts = new AsyncDisposableStack();
  let harness: Harness;
  let disk: SmallDisk;
  let subject: ContainersSubject;

  before(async () => {
    disk = parts.use(await SmallDisk.make(96 * mebi));
    subject = await ContainersSubject.start({
      settings: {
        stateDirectory: join(disk.path, "state"),
        // The engine's own disk is the machine's, whatever that has left.
        pressure: { memoryAvailable: "1Mi", diskAvailable: "20Mi", inodesFree: "0%", pidsAvailable: "0%" },
      },
    });
    parts.use(subject);
    harness = parts.use(await startHarness());
    await harness.program(["--nodename", subject.node, ...subject.flags]);
    await untilNode("is ready", (node) => condition(node, "Ready") === "True");
  });

  // The last first: nothing of the program must be left when its pods are removed.
  after(() => parts.disposeAsync());

  const condition = (node: Node, type: string): string | undefined =>
    node.status?.conditions?.find((one) => one.type === type)?.status;

  async function untilNode(what: string, holds: (node: Stored<Node>) => boolean): Promise<void> {
    await eventually(`the node ${what}`, patience, async () =>
      holds(await harness.client.get(nodes, { name: subject.node })),
    );
  }

  /** It writes so much into its volume when it is told to. */
  async function create(
    name: string,
    writes: number,
    more: { readonly request?: string; readonly priority?: string } = {},
  ): Promise<void> {
    const script = `until [ -e ${subject.directory}/${name} ]; do sleep 0.2; done; head -c ${writes} /dev/zero >/data/x; sleep 3600`;
    const container: Container = {
      ...{ name: "main", image: subject.images[0], command: ["/bin/sh", "-c", script] },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
      ...(more.request !== undefined && { resources: { requests: { "ephemeral-storage": more.request } } }),
    };
    const pod: Pod = {
      metadata: { name, namespace: "default" },
      spec: {
        ...subject.pod({ containers: [container], volumes: [{ name: "data", emptyDir: {} }] }),
        ...{ nodeName: subject.node, tolerations: [tolerateVirtual], terminationGracePeriodSeconds: 1 },
      },
    };
    await harness.client.create(pods, pod);
    await eventually(`${name} runs`, patience, async () => isRunning(await get(name)));
  }

  const get = (name: string): Promise<Stored<Pod>> => harness.client.get(pods, { name, namespace: "default" });
  async function staysRunning(name: string): Promise<void> {
    const { status } = await get(name);
    assert.equal(status?.phase, "Running", `${name}: ${status?.reason} ${status?.message}`);
  }
  const tell = (name: string): void => writeFileSync(join(subject.directory, name), "");

  it("evicts the pod that takes most beyond its request, and no other, and recovers", async () => {
    await create("modest", mebi);
    await create("entitled", 30 * mebi, { request: "40Mi" });
    await create("greedy", 40 * mebi);
    assert.equal(condition(await harness.client.get(nodes, { name: subject.node }), "DiskPressure"), "False");
    for (const name of ["modest", "entitled", "greedy"]) tell(name);
    await untilNode("is under pressure", (node) => condition(node, "DiskPressure") === "True");
    await eventually("it is evicted", patience, async () => (await get("greedy")).status?.phase === "Failed");
    const { status } = await get("greedy");
    assert.equal(status?.reason, "Evicted");
    assert.match(status?.message ?? "", /^The node was low on resource: ephemeral-storage\. /);
    const disruption = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([disruption?.status, disruption?.reason], ["True", "TerminationByKubelet"]);
    await harness.client.delete(pods, { name: "greedy", namespace: "default" });
    await untilNode("has room again", (node) => condition(node, "DiskPressure") === "False");
    await eventually("a third of the disk is free", 10_000, () => disk.available > 0.3);
    for (const name of ["modest", "entitled"]) await staysRunning(name);
    const evicted = async (): Promise<readonly (string | undefined)[]> => {
      const { items } = await harness.client.list(events, { namespace: "default" });
      return items.filter(({ reason }) => reason === "Evicted").map(({ involvedObject }) => involvedObject.name);
    };
    await eventually("it is told", 10_000, async () => (await evicted()).length > 0);
    assert.deepEqual(await evicted(), ["greedy"]);
    await create("later", mebi);
  });

  it("goes on when there is not a byte left, and after that", async () => {
    const filler = join(disk.path, "filler");
    const block = Buffer.alloc(mebi);
    assert.throws(() => {
      for (;;) writeFileSync(filler, block, { flag: "a" });
    }, /ENOSPC/);
    await untilNode("is under pressure", (node) => condition(node, "DiskPressure") === "True");
    await untilNode("is still ready", (node) => condition(node, "Ready") === "True");
    rmSync(filler);
    await untilNode("has room again", (node) => condition(node, "DiskPressure") === "False");
    await create("at-the-end", mebi);
    const left = (await harness.client.list(pods, { namespace: "default" })).items;
    await Promise.all(
      left.map(({ metadata: { name } }) => harness.client.delete(pods, { name, namespace: "default" })),
    );
    await eventually(
      "all are gone",
      patience,
      async () => (await harness.client.list(pods, { namespace: "default" })).items.length === 0,
    );
  });
});
