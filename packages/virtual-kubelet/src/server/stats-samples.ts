// What is believed of one counter or one amount of memory, sample after sample. Pure.
//
// Readers have rules of their own: metrics-server drops a whole pod for one zero, and an hour of usage appears where a counter
// falls for a moment. So a told counter never falls within a run, a sample that is missing, zero or older than the last one
// leaves the last one in place with its own time, and a counter is made of rates where there is none.
import type { CPUStats, MemoryStats } from "../stats-summary.ts";

/** For so long a figure stands while the provider gives none: two scrapes of metrics-server at its slowest default. */
export const holdMs = 120_000;
/** A container that is younger at its first sample has had that rate since its start. */
const youngMs = 60_000;

export interface CpuTrack {
  /** The sample's time in epoch milliseconds as it was given, and not later than when it was read. */
  readonly sampleMs: number;
  readonly timeMs: number;
  /** Told: nanoseconds of a core since the start, at least 1, never falling. */
  readonly counter: number;
  /** Told: billionths of a core. */
  readonly rate: number | undefined;
  /** Of what `counter` is made. */
  readonly basis: "counter" | "rate";
  /** The provider's counter behind `counter`; told is `raw + offset`. */
  readonly raw: number | undefined;
  readonly offset: number;
  /** Made of rates, it covers the whole run. */
  readonly whole: boolean;
  /** The provider's counter fell: believed when the next sample says so, too. */
  readonly low: number | undefined;
  /** When the provider last gave it. */
  readonly seenAt: number;
}

export interface MemoryTrack {
  readonly sampleMs: number;
  readonly timeMs: number;
  readonly workingSet: number;
  readonly stats: MemoryStats;
  readonly seenAt: number;
}

/** Is a figure recent enough to be told? */
export function isCurrent(track: { readonly seenAt: number } | undefined, now: number): boolean {
  return track !== undefined && now - track.seenAt <= holdMs;
}

/** A summary has few different times, each many times over. */
const parsed = new Map<string, number>();

/** Epoch milliseconds; undefined for what is no time, and for Go's zero time. */
export function timeOf(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  let ms = parsed.get(text);
  if (ms === undefined) {
    ms = Date.parse(text);
    if (parsed.size >= 1_000) parsed.clear();
    parsed.set(text, ms);
  }
  return ms > 0 ? ms : undefined;
}

/** A figure: a whole number of at least 0, of whatever the provider gave. */
function amount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined;
}

/** A counter of zero is none: a container that runs has used something. */
function positive(value: unknown): number | undefined {
  return amount(value) || undefined;
}

interface CpuSample {
  readonly sampleMs: number;
  readonly timeMs: number;
  readonly counter: number | undefined;
  readonly rate: number | undefined;
}

function readCpu(stats: CPUStats | undefined, now: number): CpuSample | undefined {
  const counter = positive(stats?.usageCoreNanoSeconds);
  const rate = amount(stats?.usageNanoCores);
  if (counter === undefined && rate === undefined) return undefined;
  const sampleMs = timeOf(stats?.time) ?? now;
  return { sampleMs, timeMs: Math.min(sampleMs, now), counter, rate };
}

/** Does it say anything? */
export function hasCpu(stats: CPUStats | undefined): boolean {
  return positive(stats?.usageCoreNanoSeconds) !== undefined || amount(stats?.usageNanoCores) !== undefined;
}

export function hasMemory(stats: MemoryStats | undefined): boolean {
  return (positive(stats?.workingSetBytes) ?? positive(stats?.usageBytes)) !== undefined;
}

/** The provider's CPU counter of a sample, where it has one. */
export function counterOf(stats: CPUStats | undefined): number | undefined {
  return positive(stats?.usageCoreNanoSeconds);
}

/**
 * Takes in the sample of one run; `startMs` is when the run began.
 * - Counters are told as they come. One that falls is held; when it stays low, its increases are added to what was told.
 * - Rates alone are added up over time, from the start of a young run, else from 1 ns: then the first answer after a restart of
 *   this program shows as a counter that was reset, and not as hours of usage at once.
 * - A rate that is left out is that between the last two counters.
 */
export function nextCpu(
  track: CpuTrack | undefined,
  stats: CPUStats | undefined,
  startMs: number | undefined,
  now: number,
): CpuTrack | undefined {
  const sample = readCpu(stats, now);
  if (sample === undefined) return track;
  if (track === undefined) return firstCpu(sample, startMs, now);
  if (sample.sampleMs === track.sampleMs) return { ...track, seenAt: now };
  const insists = isCurrent(track, now);
  if (sample.sampleMs < track.sampleMs && insists) return track;
  if (sample.counter !== undefined) return countedCpu(track, sample, sample.counter, now);
  if (track.basis === "counter" && insists) return track;
  const elapsed = Math.max(0, sample.timeMs - track.timeMs);
  const rate = sample.rate ?? 0;
  return {
    ...track,
    sampleMs: sample.sampleMs,
    timeMs: sample.timeMs,
    counter: track.counter + Math.round((rate * elapsed) / 1000),
    rate,
    basis: "rate",
    low: undefined,
    seenAt: now,
  };
}

function firstCpu({ sampleMs, timeMs, counter, rate }: CpuSample, startMs: number | undefined, now: number): CpuTrack {
  const at = { sampleMs, timeMs, rate, offset: 0, low: undefined, seenAt: now };
  if (counter !== undefined) return { ...at, counter, raw: counter, basis: "counter", whole: true };
  const age = startMs === undefined ? -1 : timeMs - startMs;
  const whole = age >= 0 && age <= youngMs;
  const used = whole ? Math.round(((rate ?? 0) * age) / 1000) : 0;
  return { ...at, counter: Math.max(1, used), raw: undefined, basis: "rate", whole };
}

function countedCpu(track: CpuTrack, sample: CpuSample, raw: number, now: number): CpuTrack {
  let { offset } = track;
  if (track.basis === "rate") {
    const continues = track.raw === undefined ? track.whole : raw >= track.raw;
    if (!continues || raw + offset < track.counter) offset = track.counter - raw;
  } else if (track.raw !== undefined && raw < track.raw) {
    if (track.low === undefined || raw < track.low) return { ...track, low: raw };
    offset = track.counter - track.low;
  }
  const counter = raw + offset;
  const elapsed = sample.timeMs - track.timeMs;
  const measured = track.basis === "counter" && elapsed > 0 ? ((counter - track.counter) * 1000) / elapsed : track.rate;
  return {
    ...track,
    sampleMs: sample.sampleMs,
    timeMs: sample.timeMs,
    counter,
    rate: sample.rate ?? (measured === undefined ? undefined : Math.round(measured)),
    basis: "counter",
    raw,
    offset,
    low: undefined,
    seenAt: now,
  };
}

/** Takes in a sample. The working set defaults to the usage; zero is no figure. */
export function nextMemory(
  track: MemoryTrack | undefined,
  stats: MemoryStats | undefined,
  now: number,
): MemoryTrack | undefined {
  const workingSet = positive(stats?.workingSetBytes) ?? positive(stats?.usageBytes);
  if (stats === undefined || workingSet === undefined) return track;
  const sampleMs = timeOf(stats.time) ?? now;
  if (track !== undefined && sampleMs === track.sampleMs) return { ...track, seenAt: now };
  if (track !== undefined && sampleMs < track.sampleMs && isCurrent(track, now)) return track;
  return { sampleMs, timeMs: Math.min(sampleMs, now), workingSet, stats, seenAt: now };
}
