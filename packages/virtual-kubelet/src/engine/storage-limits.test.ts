import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Pod, Volume } from "../kube/types.gen.ts";
import { hasStorageLimits, type StorageUse, storageExcess } from "./storage-limits.ts";

const time = "2026-01-01T00:00:00Z";
const mebi = 1024 * 1024;

function container(name: string, limit?: string): Container {
  return { name, ...(limit !== undefined && { resources: { limits: { "ephemeral-storage": limit } } }) };
}

function sidecar(name: string, limit?: string): Container {
  return { ...container(name, limit), restartPolicy: "Always" };
}

function pod(containers: readonly Container[], volumes: readonly Volume[] = [], init: readonly Container[] = []): Pod {
  return { spec: { containers: [...containers], volumes: [...volumes], initContainers: [...init] } };
}

/** Bytes by volume, by container (root and logs), and of the whole pod. */
function use(
  volumes: Readonly<Record<string, number>>,
  containers: Readonly<Record<string, readonly [number, number]>> = {},
  total?: number,
): StorageUse {
  return {
    containers: Object.entries(containers).map(([name, [root, logs]]) => ({
      ...{ name, startTime: time },
      ...{ rootfs: { time, usedBytes: root }, logs: { time, usedBytes: logs } },
    })),
    pod: {
      volume: Object.entries(volumes).map(([name, usedBytes]) => ({ name, time, usedBytes })),
      ...(total !== undefined && { "ephemeral-storage": { time, usedBytes: total } }),
    },
  };
}

const scratch: Volume = { name: "scratch", emptyDir: { sizeLimit: "1Mi" } };

describe("limits of storage", () => {
  const rows: readonly (readonly [string, Pod, StorageUse, string | undefined])[] = [
    ["a volume at its limit is within it", pod([container("c")], [scratch]), use({ scratch: mebi }), undefined],
    [
      "a volume beyond it",
      pod([container("c")], [scratch]),
      use({ scratch: mebi + 1 }),
      'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
    ],
    ["a volume without limit", pod([container("c")], [{ name: "v", emptyDir: {} }]), use({ v: 1e12 }), undefined],
    [
      "a limit of nothing is none",
      pod([container("c", "0")], [{ name: "v", emptyDir: { sizeLimit: "0" } }]),
      use({ v: 5 }, { c: [9, 9] }, 23),
      undefined,
    ],
    ["what is unknown is within all limits", pod([container("c", "1")], [scratch]), { containers: [] }, undefined],
    [
      "a container at its limit, root and logs together",
      pod([container("c", "1Mi")]),
      use({}, { c: [mebi - 10, 10] }, mebi),
      undefined,
    ],
    [
      "a container beyond it, the pod as a whole within its own",
      pod([container("c", "1Mi"), container("d", "2Mi")]),
      use({}, { c: [mebi, 1] }, mebi + 1),
      'Container c exceeded its local ephemeral storage limit "1Mi". ',
    ],
    [
      "the pod goes before its containers",
      pod([container("c", "1Mi")]),
      use({}, { c: [2 * mebi, 0] }, 2 * mebi),
      "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
    ],
    [
      "volumes count for the pod",
      pod([container("c", "512Ki"), container("d", "512Ki"), container("e")], [{ name: "v", emptyDir: {} }]),
      use({ v: mebi }, { c: [1, 0] }, mebi + 1),
      "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
    ],
    [
      "sidecars add to the containers",
      pod([container("c", "1Mi")], [], [sidecar("s", "1Mi")]),
      use({}, { c: [0, 0] }, 2 * mebi),
      undefined,
    ],
    [
      "an init container that has more raises the pod's limit",
      pod([container("c", "1Mi")], [], [sidecar("s", "1Mi"), container("i", "3Mi")]),
      use({}, { c: [0, 0] }, 4 * mebi + 1),
      "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    ],
    [
      "a volume goes before the pod",
      pod([container("c", "1")], [scratch]),
      use({ scratch: 2 * mebi }, { c: [2, 0] }, 2 * mebi),
      'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
    ],
  ];
  for (const [name, subject, used, message] of rows)
    it(name, () => assert.equal(storageExcess(subject, used), message));

  it("are looked for where there are some", () => {
    assert.equal(hasStorageLimits(pod([container("c")], [{ name: "v", emptyDir: {} }])), false);
    assert.equal(hasStorageLimits(pod([container("c")], [scratch])), true);
    assert.equal(hasStorageLimits(pod([container("c", "1Mi")])), true);
    assert.equal(hasStorageLimits(pod([container("c")], [], [container("i", "1Mi")])), true);
  });
});
