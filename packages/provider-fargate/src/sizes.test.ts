import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeNotes, storageSize, taskSize } from "./sizes.ts";

const gi = 1024 ** 3;

describe("the size of a task", () => {
  const rows: readonly (readonly [number, number, string])[] = [
    [0, 0, "256/512"],
    [250, 0.5 * gi, "256/512"],
    [251, 0, "512/1024"],
    [100, 2 * gi, "256/2048"],
    [100, 2 * gi + 1, "512/3072"],
    [1000, gi, "1024/2048"],
    [1000, 8 * gi + 1, "2048/9216"],
    [4000, 30 * gi, "4096/30720"],
    [4000, 31 * gi, "8192/32768"],
    [8000, 61 * gi, "16384/65536"],
    [8001, 16 * gi, "16384/32768"],
    [16_000, 120 * gi, "16384/122880"],
  ];
  for (const [milliCPU, bytes, size] of rows)
    it(`${milliCPU}m and ${bytes / gi}Gi: ${size}`, () => {
      const { cpu, memory } = taskSize({ milliCPU, bytes }, "LINUX");
      assert.equal(`${cpu}/${memory}`, size);
    });

  it("beyond the largest is refused, with what there is", () => {
    assert.throws(() => taskSize({ milliCPU: 16_001, bytes: 0 }, "LINUX"), /at most 16 vCPU and 120Gi/);
    assert.throws(() => taskSize({ milliCPU: 0, bytes: 121 * gi }, "LINUX"), { field: "spec.containers[*].resources" });
    assert.throws(() => taskSize({ milliCPU: 4001, bytes: 0 }, "WINDOWS_SERVER_2022_CORE"), /at most 4 vCPU and 30Gi/);
  });

  it("of Windows begins at one vCPU", () => {
    assert.deepEqual(taskSize({ milliCPU: 100, bytes: 0 }, "WINDOWS_SERVER_2022_CORE"), { cpu: 1024, memory: 2048 });
  });

  it("is told of where it is another than was asked for", () => {
    assert.deepEqual(sizeNotes({ milliCPU: 250, bytes: 0.5 * gi }, { cpu: 256, memory: 512 }), []);
    assert.deepEqual(sizeNotes({ milliCPU: 0, bytes: 0 }, { cpu: 256, memory: 512 }), []);
    const [note] = sizeNotes({ milliCPU: 300, bytes: gi }, { cpu: 512, memory: 1024 });
    assert.match(note?.message ?? "", /300m of cpu and 1024Mi of memory became .*0\.5 vCPU and 1024Mi/);
  });

  it("storage is asked for beyond what there is anyway, up to 200Gi", () => {
    assert.equal(storageSize(20 * gi, "f"), undefined);
    assert.equal(storageSize(20 * gi + 1, "f"), 21);
    assert.equal(storageSize(200 * gi, "f"), 200);
    assert.throws(() => storageSize(201 * gi, "f"), { kind: "Invalid", field: "f" });
  });
});
