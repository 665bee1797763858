// What a host keeps from its pods, and a second disk for images.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type HostNow, nodeReport } from "./node-report.ts";

const disk = { totalBytes: 1000, availableBytes: 500, inodes: 100, inodesFree: 50 };
const host: HostNow = {
  ...{
    cpus: 4,
    memory: { totalBytes: 8 * 2 ** 30, availableBytes: 2 ** 30 },
    disk: { ...disk, totalBytes: 10_240_000 },
  },
  pids: { max: 100, current: 10 },
};
const pressure = { memoryAvailable: "100Mi", diskAvailable: "10%", inodesFree: "5%", pidsAvailable: "5%" };
const config = { capacity: {}, pressure };

describe("what pods may have of a host", () => {
  it("is all that there is, unless something is said to be kept", () => {
    assert.equal(nodeReport(host, config).allocatable, undefined);
  });

  it("is what is not reserved, and what pressure does not keep", () => {
    const reserved = { cpu: "250m", memory: "1Gi", "ephemeral-storage": "1k" };
    const report = nodeReport(host, { ...config, reserved });
    assert.deepEqual(report.capacity, { cpu: "4", memory: "8388608Ki", "ephemeral-storage": "10000Ki", pods: "110" });
    assert.deepEqual(report.allocatable, {
      ...{ cpu: "3750m", memory: String(7 * 2 ** 30 - 100 * 2 ** 20), pods: "110" },
      "ephemeral-storage": String(10_240_000 - 1_024_000 - 1000),
    });
    assert.equal(nodeReport(host, { ...config, reserved: { cpu: "5" } }).allocatable?.["cpu"], "0");
    const extended = nodeReport(host, { ...config, capacity: { "x.io/y": "3" }, reserved: { "x.io/y": "1" } });
    assert.equal(extended.allocatable?.["x.io/y"], "2");
  });
});

describe("a disk of its own for images", () => {
  const status = (imageDisk: HostNow["imageDisk"]): string | undefined =>
    nodeReport({ ...host, disk, imageDisk }, config).conditions?.find(({ type }) => type === "DiskPressure")?.status;
  it("brings the node under pressure as well", () => {
    assert.equal(status(undefined), "False");
    assert.equal(status(disk), "False");
    assert.equal(status({ ...disk, availableBytes: 99 }), "True");
    assert.equal(status({ ...disk, inodesFree: 4 }), "True");
    assert.equal(status({ ...disk, inodes: 0, inodesFree: 0 }), "False", "some file systems count none");
  });
});
