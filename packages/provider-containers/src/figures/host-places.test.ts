// Small readings of the host: layers, rights.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writtenLayer } from "./container-place.ts";
import { floorOf } from "./oom-floor.ts";

describe("the layer that a container writes", () => {
  const line = (point: string, type: string, options: string): string =>
    `1 2 0:3 / ${point} rw - ${type} ${type} rw,${options}\n`;
  it("is the upper directory of the overlay at its root", () => {
    const others = line("/proc", "proc", "x") + line("/a", "overlay", "upperdir=/not/this");
    const root = line("/", "overlay", "lowerdir=/l,upperdir=/var/my\\040layers/x/diff,workdir=/w");
    assert.equal(writtenLayer(others + root), "/var/my layers/x/diff");
  });
  it("is unknown where that is anything else", () => {
    for (const text of [
      "",
      line("/", "ext4", "upperdir=/x"),
      line("/", "overlay", "lowerdir=/l"),
      line("/", "overlay", "upperdir=l/x"),
    ])
      assert.equal(writtenLayer(text), undefined);
  });
});

describe("the lowest oom_score_adj", () => {
  it("is the own one without the capability", () => {
    assert.equal(floorOf("CapInh:\t0\nCapEff:\t000001ffffffffff\n", "0\n"), -1000);
    assert.equal(floorOf("CapInh:\t0\nCapEff:\t000001fffeffffff\n", "0\n"), 0);
    assert.equal(floorOf("", "200\n"), 200);
  });
});
