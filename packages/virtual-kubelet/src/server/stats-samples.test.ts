// Tables over single counters and amounts: what is told after each sample.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, epochMs } from "../testing/stats-fixtures.ts";
import { type CpuTrack, holdMs, isCurrent, type MemoryTrack, nextCpu, nextMemory } from "./stats-samples.ts";

const second = 1e9;
/** Time of the sample, and counter and rate in seconds of a core and cores. */
type Sample = readonly [time: number, counter?: number | undefined, cores?: number] | undefined;
/** Time, counter and rate told. */
type Told = readonly [number, number, number | undefined] | undefined;

interface Row {
  readonly name: string;
  /** One each ten seconds, from 10 s on. */
  readonly samples: readonly Sample[];
  readonly start?: number;
  readonly told: readonly Told[];
}

const table: readonly Row[] = [
  {
    name: "counters as they come, with the rates between them",
    samples: [
      [10, 5],
      [20, 6],
    ],
    told: [
      [10, 5, undefined],
      [20, 6, 0.1],
    ],
  },
  {
    name: "a given rate is told",
    samples: [
      [10, 5, 0.7],
      [20, 6, 0.2],
    ],
    told: [
      [10, 5, 0.7],
      [20, 6, 0.2],
    ],
  },
  {
    name: "no sample leaves the last one, with its time",
    samples: [[10, 5], undefined, [30, 7]],
    told: [
      [10, 5, undefined],
      [10, 5, undefined],
      [30, 7, 0.1],
    ],
  },
  {
    name: "so does a zero",
    samples: [
      [10, 5],
      [20, 0],
      [30, 7],
    ],
    told: [
      [10, 5, undefined],
      [10, 5, undefined],
      [30, 7, 0.1],
    ],
  },
  {
    name: "so does a zero with a rate of zero",
    samples: [
      [10, 5],
      [20, 0, 0],
      [30, 7],
    ],
    told: [
      [10, 5, undefined],
      [10, 5, undefined],
      [30, 7, 0.1],
    ],
  },
  {
    name: "so does the same sample again, whatever it says",
    samples: [
      [10, 5],
      [10, 9],
      [20, 6],
    ],
    told: [
      [10, 5, undefined],
      [10, 5, undefined],
      [20, 6, 0.1],
    ],
  },
  {
    name: "so does an older one",
    samples: [
      [10, 5],
      [4, 4],
      [30, 7],
    ],
    told: [
      [10, 5, undefined],
      [10, 5, undefined],
      [30, 7, 0.1],
    ],
  },
  {
    name: "nothing but zeros is nothing",
    samples: [[10, 0], undefined, [30, 0]],
    told: [undefined, undefined, undefined],
  },
  {
    name: "a counter that falls once is passed over",
    samples: [
      [10, 50],
      [20, 1],
      [30, 51],
    ],
    told: [
      [10, 50, undefined],
      [10, 50, undefined],
      [30, 51, 0.05],
    ],
  },
  {
    name: "one that stays low goes on from where it was",
    samples: [
      [10, 50],
      [20, 1],
      [30, 3],
      [40, 4],
    ],
    told: [
      [10, 50, undefined],
      [10, 50, undefined],
      [30, 52, 0.1],
      [40, 53, 0.1],
    ],
  },
  {
    name: "one that falls again and again is held",
    samples: [
      [10, 50],
      [20, 9],
      [30, 8],
      [40, 7],
    ],
    told: [
      [10, 50, undefined],
      [10, 50, undefined],
      [10, 50, undefined],
      [10, 50, undefined],
    ],
  },
  {
    name: "rates are added up, in a young run since its start",
    start: 0,
    samples: [
      [10, undefined, 0.5],
      [20, undefined, 0.1],
      [30, undefined, 0],
    ],
    told: [
      [10, 5, 0.5],
      [20, 6, 0.1],
      [30, 6, 0],
    ],
  },
  {
    name: "in an old one from next to nothing",
    start: -3600,
    samples: [
      [10, undefined, 0.5],
      [20, undefined, 0.1],
    ],
    told: [
      [10, 1e-9, 0.5],
      [20, 1 + 1e-9, 0.1],
    ],
  },
  {
    name: "one that is idle has next to nothing and not zero",
    start: 0,
    samples: [
      [10, undefined, 0],
      [20, undefined, 0],
    ],
    told: [
      [10, 1e-9, 0],
      [20, 1e-9, 0],
    ],
  },
  {
    name: "a zero beside a rate is made of the rate",
    start: -3600,
    samples: [
      [10, 0, 0],
      [20, 36000, 0.1],
    ],
    told: [
      [10, 1e-9, 0],
      [20, 1e-9, 0.1],
    ],
  },
  {
    name: "counters after rates are no leap",
    start: -3600,
    samples: [
      [10, undefined, 0.5],
      [20, 9000, 0.1],
      [30, 9001],
    ],
    told: [
      [10, 1e-9, 0.5],
      [20, 1e-9, 0.1],
      [30, 1 + 1e-9, 0.1],
    ],
  },
  {
    name: "but the truth where the rates began with the run",
    start: 0,
    samples: [
      [10, undefined, 0.5],
      [20, 8, 0.3],
    ],
    told: [
      [10, 5, 0.5],
      [20, 8, 0.3],
    ],
  },
  {
    name: "a counter that is missing for a while is waited for",
    samples: [
      [10, 5, 0.1],
      [20, undefined, 0.2],
      [30, 7, 0.1],
    ],
    told: [
      [10, 5, 0.1],
      [10, 5, 0.1],
      [30, 7, 0.1],
    ],
  },
  {
    name: "a time to come is now",
    samples: [
      [500, 5],
      [510, 6],
    ],
    told: [
      [10, 5, undefined],
      [20, 6, 0.1],
    ],
  },
];

const tell = (track: CpuTrack | undefined): Told =>
  track && [
    (track.timeMs - epochMs) / 1000,
    track.counter / second,
    track.rate === undefined ? undefined : track.rate / second,
  ];

describe("CPU", () => {
  for (const { name, samples, start, told } of table) {
    it(name, () => {
      let track: CpuTrack | undefined;
      const seen = samples.map((sample, index) => {
        const nanos = (value: number | undefined) => (value === undefined ? undefined : value * second);
        const stats = sample && {
          time: at(sample[0]),
          usageCoreNanoSeconds: nanos(sample[1]),
          usageNanoCores: nanos(sample[2]),
        };
        const startMs = start === undefined ? undefined : epochMs + start * 1000;
        track = nextCpu(track, stats, startMs, epochMs + (index + 1) * 10_000);
        return tell(track);
      });
      assert.deepEqual(seen, told);
    });
  }

  it("is told for a limited time, then taken up from whatever is given", () => {
    const first = nextCpu(undefined, { time: at(10), usageCoreNanoSeconds: 5 * second }, undefined, epochMs + 10_000);
    assert.equal(isCurrent(first, epochMs + 10_000 + holdMs), true);
    const late = epochMs + 10_001 + holdMs;
    assert.equal(isCurrent(first, late), false);
    // Rates where counters were, and a clock that was set back.
    const rates = nextCpu(first, { time: at(40), usageNanoCores: second / 10 }, undefined, late);
    assert.deepEqual(tell(rates), [40, 8, 0.1]);
    const back = nextCpu(first, { time: at(4), usageCoreNanoSeconds: 6 * second }, undefined, late);
    assert.deepEqual(tell(back), [4, 6, undefined]);
  });

  it("takes no nonsense", () => {
    for (const value of [Number.NaN, -1, Infinity, undefined]) {
      assert.equal(nextCpu(undefined, { time: at(1), usageCoreNanoSeconds: value }, undefined, epochMs), undefined);
    }
    const timeless = nextCpu(undefined, { time: "soon", usageCoreNanoSeconds: second }, undefined, epochMs + 7_000);
    assert.deepEqual(tell(timeless), [7, 1, undefined]);
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
