import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { parseUsage } from "./disk-usage.ts";
import { StorageMeter } from "./storage-meter.ts";

class Rounds {
  readonly clock = new FakeClock();
  readonly calls: string[] = [];
  bytes = 1;
  tookMs = 0;
  readonly meter = new StorageMeter({
    ...{ clock: this.clock, log: silentLogger },
    measure: async (paths) => {
      this.calls.push(paths.join(" "));
      if (paths.includes("/bad")) throw new Error("too large");
      await this.clock.advance(this.tookMs);
      return new Map(paths.map((path) => [path, this.bytes]));
    },
  });

  async ask(...groups: readonly (readonly string[])[]): Promise<void> {
    await this.meter.refresh(groups);
  }
}

describe("the use of the disk", () => {
  it("is measured at most every ten seconds, however often it is asked for", async () => {
    const rounds = new Rounds();
    for (let second = 0; second < 30; second++) {
      await rounds.ask(["/a"], ["/b", "/c"]);
      await rounds.clock.advance(1000);
    }
    assert.deepEqual(rounds.calls, ["/a", "/b /c", "/a", "/b /c", "/a", "/b /c"]);
  });

  it("takes at most a tenth of the time", async () => {
    const rounds = new Rounds();
    rounds.tookMs = 6000;
    await rounds.ask(["/a"]);
    await rounds.clock.advance(53_000);
    await rounds.ask(["/a"]);
    assert.equal(rounds.calls.length, 1);
    await rounds.clock.advance(2000);
    await rounds.ask(["/a"]);
    assert.equal(rounds.calls.length, 2);
  });

  it("is measured sooner where the disk is short", async () => {
    const rounds = new Rounds();
    for (let second = 0; second < 6; second++) {
      await rounds.meter.refresh([["/a"]], true);
      await rounds.clock.advance(1000);
    }
    assert.equal(rounds.calls.length, 3);
  });

  it("is kept where it cannot be measured now, and forgotten with what is gone", async () => {
    const rounds = new Rounds();
    await rounds.ask(["/a"], ["/b"]);
    const at = rounds.clock.now();
    await rounds.clock.advance(10_000);
    rounds.bytes = 2;
    await rounds.ask(["/a", "/bad"], ["/c"]);
    assert.deepEqual(rounds.meter.of("/a"), { at, bytes: 1 });
    assert.equal(rounds.meter.of("/b"), undefined);
    assert.deepEqual(rounds.meter.of("/c"), { at: at + 10_000, bytes: 2 });
  });

  it("is not measured any more once it is closed", async () => {
    const rounds = new Rounds();
    await rounds.meter.close();
    await rounds.ask(["/a"]);
    assert.deepEqual(rounds.calls, []);
  });

  it("is read with every name as it is", () => {
    assert.deepEqual(
      [...parseUsage("4096\t/a b\n\tc\0" + "0\t/d\0")],
      [
        ["/a b\n\tc", 4096],
        ["/d", 0],
      ],
    );
    assert.deepEqual([...parseUsage("")], []);
  });
});
