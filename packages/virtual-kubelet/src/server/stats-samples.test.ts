// Tables over single counters and amounts: what is told after each sample.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, epochMs } from "../testing/stats-fixtures.ts";
import { type CpuTrack, holdMs, isCurrent, type MemoryTrack, nextCpu, nextMemory } from "./stats-samples.ts";

const second = 1e9;
interface Row {
  readonly name: string;
  /** One each ten seconds, from 10 s on: time, counter and rate, in seconds, seconds of a core and cores; "-" for none. */
  readonly samples: string;
  /** The same, after each sample. */
  readonly told: string;
  /** Of the run. */
  readonly start?: number;
}

const table: readonly Row[] = [
  { name: "counters as they come, with the rates between them", samples: "10 5|20 6", told: "10 5 -|20 6 0.1" },
  { name: "a given rate is told", samples: "10 5 0.7|20 6 0.2", told: "10 5 0.7|20 6 0.2" },
  { name: "no sample leaves the last one, with its time", samples: "10 5|-|30 7", told: "10 5 -|10 5 -|30 7 0.1" },
  { name: "so does a zero", samples: "10 5|20 0|30 7", told: "10 5 -|10 5 -|30 7 0.1" },
  { name: "so does a zero with a rate of zero", samples: "10 5|20 0 0|30 7", told: "10 5 -|10 5 -|30 7 0.1" },
  {
    name: "so does the same sample again, whatever it says",
    samples: "10 5|10 9|20 6",
    told: "10 5 -|10 5 -|20 6 0.1",
  },
  { name: "so does an older one", samples: "10 5|4 4|30 7", told: "10 5 -|10 5 -|30 7 0.1" },
  { name: "nothing but zeros is nothing", samples: "10 0|-|30 0", told: "-|-|-" },
  { name: "a counter that falls once is passed over", samples: "10 50|20 1|30 51", told: "10 50 -|10 50 -|30 51 0.05" },
  {
    name: "one that stays low goes on from where it was",
    samples: "10 50|20 1|30 3|40 4",
    told: "10 50 -|10 50 -|30 52 0.1|40 53 0.1",
  },
  {
    name: "one that falls again and again is held",
    samples: "10 50|20 9|30 8|40 7",
    told: "10 50 -|10 50 -|10 50 -|10 50 -",
  },
  {
    name: "rates are added up, in a young run since its start",
    samples: "10 - 0.5|20 - 0.1|30 - 0",
    told: "10 5 0.5|20 6 0.1|30 6 0",
    start: 0,
  },
  {
    name: "in an old one from next to nothing",
    samples: "10 - 0.5|20 - 0.1",
    told: "10 0.000000001 0.5|20 1.000000001 0.1",
    start: -3600,
  },
  {
    name: "one that is idle has next to nothing and not zero",
    samples: "10 - 0|20 - 0",
    told: "10 0.000000001 0|20 0.000000001 0",
    start: 0,
  },
  {
    name: "a zero beside a rate is made of the rate",
    samples: "10 0 0|20 36000 0.1",
    told: "10 0.000000001 0|20 0.000000001 0.1",
    start: -3600,
  },
  {
    name: "counters after rates are no leap",
    samples: "10 - 0.5|20 9000 0.1|30 9001",
    told: "10 0.000000001 0.5|20 0.000000001 0.1|30 1.000000001 0.1",
    start: -3600,
  },
  {
    name: "but the truth where the rates began with the run",
    samples: "10 - 0.5|20 8 0.3",
    told: "10 5 0.5|20 8 0.3",
    start: 0,
  },
  {
    name: "a counter that is missing for a while is waited for",
    samples: "10 5 0.1|20 - 0.2|30 7 0.1",
    told: "10 5 0.1|10 5 0.1|30 7 0.1",
  },
  { name: "a time to come is now", samples: "500 5|510 6", told: "10 5 -|20 6 0.1" },
];

const plain = (value: number | undefined): string => (value === undefined ? "-" : String(Number(value.toFixed(9))));

function tell(track: CpuTrack | undefined): string {
  if (track === undefined) return "-";
  const { timeMs, counter, rate } = track;
  const seconds = [(timeMs - epochMs) / 1000, counter / second, rate === undefined ? undefined : rate / second];
  return seconds.map((value) => (value === 1e-9 ? "0.000000001" : plain(value))).join(" ");
}

describe("CPU", () => {
  for (const { name, samples, start, told } of table) {
    it(name, () => {
      const startMs = start === undefined ? undefined : epochMs + start * 1000;
      let track: CpuTrack | undefined;
      const seen = samples.split("|").map((sample, index) => {
        const [time, counter, rate] = sample
          .split(" ")
          .map((text) => (text === "-" ? undefined : Number(text)))
          .map((value, index) => (value === undefined || index === 0 ? value : value * second));
        const stats =
          time === undefined ? undefined : { time: at(time), usageCoreNanoSeconds: counter, usageNanoCores: rate };
        track = nextCpu(track, stats, startMs, epochMs + (index + 1) * 10_000);
        return tell(track);
      });
      assert.equal(seen.join("|"), told);
    });
  }

  it("is told for a limited time, then taken up from whatever is given", () => {
    const first = nextCpu(undefined, { time: at(10), usageCoreNanoSeconds: 5 * second }, undefined, epochMs + 10_000);
    assert.equal(isCurrent(first, epochMs + 10_000 + holdMs), true);
    const late = epochMs + 10_001 + holdMs;
    assert.equal(isCurrent(first, late), false);
    // Rates where counters were, and a clock that was set back.
    const rates = nextCpu(first, { time: at(40), usageNanoCores: second / 10 }, undefined, late);
    assert.equal(tell(rates), "40 8 0.1");
    const back = nextCpu(first, { time: at(4), usageCoreNanoSeconds: 6 * second }, undefined, late);
    assert.equal(tell(back), "4 6 -");
  });

  it("takes no nonsense", () => {
    for (const value of [Number.NaN, -1, Infinity, undefined]) {
      assert.equal(nextCpu(undefined, { time: at(1), usageCoreNanoSeconds: value }, undefined, epochMs), undefined);
    }
    const timeless = nextCpu(undefined, { time: "soon", usageCoreNanoSeconds: second }, undefined, epochMs + 7_000);
    assert.equal(tell(timeless), "7 1 -");
  });
});

describe("memory", () => {
  const next = (track: MemoryTrack | undefined, time: number, workingSetBytes?: number, usageBytes?: number) =>
    nextMemory(track, { time: at(time), workingSetBytes, usageBytes }, epochMs + time * 1000);

  it("keeps the last amount when there is none, or zero, or an older one", () => {
    const first = next(undefined, 10, 100);
    assert.equal(first?.workingSet, 100);
    for (const track of [
      next(first, 20),
      next(first, 20, 0),
      nextMemory(first, undefined, epochMs),
      next(first, 5, 7),
    ]) {
      assert.equal(track, first);
    }
    assert.equal(next(first, 20, 50)?.workingSet, 50);
    assert.equal(next(undefined, 10, 0), undefined);
  });

  it("takes the usage where there is no working set", () => {
    assert.equal(next(undefined, 10, undefined, 100)?.workingSet, 100);
  });
});
