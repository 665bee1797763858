// What a simulated container uses of CPU and memory over time. Pure.
import { parseQuantity } from "../../kube/quantity.ts";
import { parseDuration } from "./duration.ts";

/** An amount that stays, or that swings between two as a sine, lowest when the container starts. */
export interface UsageCurve {
  readonly low: number;
  readonly high: number;
  /** Milliseconds. */
  readonly period: number;
}

/** What one container uses at a time. */
export interface ContainerUsage {
  readonly name: string;
  readonly cpuNanoCores: number;
  /** Since this run of the container began; never falls before its end. */
  readonly cpuCoreNanoSeconds: number;
  readonly memoryBytes: number;
}

const minute = 60_000;

/** "100m", "100m-500m" (a minute from low to low) or "100m-500m/30s". Throws an Error that says what is wrong. */
export function parseCurve(text: string): UsageCurve {
  const [amounts = "", time, ...rest] = text.split("/");
  const [low = "", high = low, ...others] = amounts.split("-");
  const period = time === undefined ? minute : parseDuration(time);
  const curve = { low: amountOf(low), high: amountOf(high), period };
  if (rest.length > 0 || others.length > 0 || period === 0 || curve.low > curve.high) {
    throw new Error(`${JSON.stringify(text)} is not a usage, such as "100m", "100m-500m" or "100m-500m/30s"`);
  }
  return curve;
}

/** The amount `ms` after the start. */
export function usageAt({ low, high, period }: UsageCurve, ms: number): number {
  return (low + high) / 2 - ((high - low) / 2) * Math.cos((2 * Math.PI * ms) / period);
}

/** The sum of the amount over the first `ms`, in amount times seconds. */
export function usedUntil({ low, high, period }: UsageCurve, ms: number): number {
  const swing = ((high - low) / 2) * (period / (2 * Math.PI)) * Math.sin((2 * Math.PI * ms) / period);
  return (((low + high) / 2) * ms - swing) / 1000;
}

function amountOf(text: string): number {
  const amount = Number(parseQuantity(text)) / 1e9;
  if (amount < 0) throw new Error(`${JSON.stringify(text)} is less than nothing`);
  return amount;
}
