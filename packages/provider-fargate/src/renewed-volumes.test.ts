// What volumes were given goes along to the next task of a pod.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Task } from "@aws-sdk/client-ecs";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { RenewedVolumes } from "./renewed-volumes.ts";
import { podRequest } from "./testing/golden-pods.ts";

const request = podRequest({
  name: "web",
  spec: {
    containers: [
      {
        ...{ name: "web", image: "web" },
        volumeMounts: ["a", "b"].map((name) => ({ name, mountPath: `/${name}` })),
      },
    ],
    volumes: ["a", "b"].map((name) => ({ name, configMap: { name: "c" } })),
  },
});
const context = { signal: new AbortController().signal, log: silentLogger };
const group = { owner: request.owner, id: "one", stage: "running" as const, containers: [] };
const taskOf = (taskArn: string, keeper = "RUNNING"): Task => ({
  ...{ taskArn, desiredStatus: "RUNNING", lastStatus: "RUNNING" },
  containers: [{ name: "vk_keeper", lastStatus: keeper }],
});
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
};

function bench() {
  const wrote: string[] = [];
  const faults: VirtualKubeletError[] = [];
  let now = 0;
  const volumes = new RenewedVolumes({
    clock: { now: () => now, schedule: () => () => {} },
    log: silentLogger,
    find: async () => ({ id: "one", task: taskOf("one"), waits: false }),
    run: async ({ group: { id } }, command) => {
      const fault = faults.pop();
      if (fault !== undefined) throw fault;
      const paths = [...command.join(" ").matchAll(/\[ -d '?\/vk\/(\w)/g)].map(([, name]) => name);
      wrote.push(`${id}: ${paths.sort().join(" ")}`);
      return 0;
    },
  });
  const update = (...names: readonly string[]): Promise<void> => {
    const all = request.resolved?.volumes ?? [];
    return volumes.update(
      group,
      request,
      all.filter(({ name }) => names.includes(name)),
      context,
    );
  };
  return {
    ...{ volumes, wrote, faults, update },
    pass: (ms: number): void => {
      now += ms;
    },
  };
}

describe("volumes that were renewed", () => {
  it("are written to the next task, all of them, once its keeper runs, and once", async () => {
    const { volumes, wrote, update } = bench();
    await update("a");
    await update("b");
    volumes.see(taskOf("one"), group);
    volumes.see(taskOf("two", "PENDING"), group);
    await settle();
    assert.deepEqual(wrote, ["one: a", "one: b"]);
    for (let look = 0; look < 2; look++) {
      volumes.see(taskOf("two"), group);
      await settle();
    }
    assert.deepEqual(wrote, ["one: a", "one: b", "two: a b"]);
  });

  it("are nothing to a pod that was given nothing since it was made, nor to one that is gone", async () => {
    const { volumes, wrote, update } = bench();
    volumes.see(taskOf("two"), group);
    await update("a");
    volumes.keep(new Set());
    volumes.see(taskOf("two"), group);
    await settle();
    assert.deepEqual(wrote, ["one: a"]);
  });

  it("are tried again after a while when they could not be written", async () => {
    const { volumes, wrote, update, faults, pass } = bench();
    await update("a");
    faults.push(new VirtualKubeletError("Unavailable", "no agent"));
    volumes.see(taskOf("two"), group);
    await settle();
    volumes.see(taskOf("two"), group);
    await settle();
    assert.deepEqual(wrote, ["one: a"]);
    pass(30_000);
    volumes.see(taskOf("two"), group);
    await settle();
    assert.deepEqual(wrote, ["one: a", "two: a"]);
  });

  it("that failed to be written are not held: who asked asks again", async () => {
    const { volumes, wrote, update, faults } = bench();
    faults.push(new VirtualKubeletError("Unavailable", "no agent"));
    await assert.rejects(update("a"), { kind: "Unavailable" });
    volumes.see(taskOf("two"), group);
    await settle();
    assert.deepEqual(wrote, []);
  });
});
