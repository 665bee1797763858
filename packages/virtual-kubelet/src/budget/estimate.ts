// What a pod costs by a price table: an estimate, as the amounts are what the back end bills as far as is known, and list prices. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { BilledSize, Prices, PriceTable } from "../provider/billing.ts";
import { podRequests } from "../status/pod-resources.ts";

const hourMs = 3_600_000;
const gib = 2 ** 30;

export interface Estimate {
  readonly perHour: number;
  /** A pod that ends sooner costs as if it had lived so long; milliseconds. */
  readonly minimumMs: number;
  /** What it goes by, for people. */
  readonly basis: string;
}

/** What a pod requests: what it is billed by where the provider does not know better. */
function requestedSize(pod: Pod): BilledSize {
  const asked = podRequests(pod);
  const gpus = [...asked].filter(([name]) => name.includes("/") && !name.includes("kubernetes.io/"));
  return {
    cpu: Number(asked.get("cpu") ?? 0n) / 1000,
    memoryGiB: Number(asked.get("memory") ?? 0n) / gib,
    ...(gpus.length === 0 ? {} : { gpus: Object.fromEntries(gpus.map(([name, count]) => [name, Number(count)])) }),
    basis: "its requests",
  };
}

/** What the provider says, else what it requests: of a pod that it would refuse, too. */
export function sizeOf(pod: Pod, billedSize: ((pod: Pod) => BilledSize | undefined) | undefined): BilledSize {
  try {
    return billedSize?.(pod) ?? requestedSize(pod);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return requestedSize(pod);
  }
}

/** `node`: what the pod is of where its size does not say. */
export function estimate(
  size: BilledSize,
  table: PriceTable,
  node: { readonly architecture?: string | undefined; readonly operatingSystem?: string | undefined } = {},
): Estimate {
  const prices = pricesOf(table, {
    architecture: size.architecture ?? node.architecture,
    operatingSystem: size.operatingSystem ?? node.operatingSystem,
  });
  const gpus = Object.entries(size.gpus ?? {});
  const sum =
    (prices.pod ?? 0) +
    size.cpu * (prices.cpu ?? 0) +
    size.memoryGiB * (prices.memoryGiB ?? 0) +
    (size.storageGiB ?? 0) * (prices.storageGiB ?? 0) +
    gpus.reduce((total, [type, count]) => total + count * (prices.gpus?.[type] ?? 0), 0);
  const factor = size.spot === true ? (table.spotFactor ?? 1) : 1;
  return { perHour: sum * factor, minimumMs: table.minimum ?? 0, basis: basisOf(size, prices) };
}

function pricesOf(table: PriceTable, of: Pick<BilledSize, "architecture" | "operatingSystem">): Prices {
  const variant = table.variants?.find(
    ({ architecture = of.architecture, operatingSystem = of.operatingSystem }) =>
      architecture === of.architecture && operatingSystem === of.operatingSystem,
  );
  if (variant === undefined) return table;
  const { cpu = table.cpu, memoryGiB = table.memoryGiB, storageGiB = table.storageGiB, pod = table.pod } = variant;
  return { cpu, memoryGiB, storageGiB, pod, gpus: { ...table.gpus, ...variant.gpus } };
}

function basisOf({ cpu, memoryGiB, storageGiB = 0, gpus = {}, spot, basis }: BilledSize, prices: Prices): string {
  const amounts = [
    `${short(cpu)} cpu`,
    `${short(memoryGiB)} GiB`,
    ...(storageGiB > 0 ? [`${short(storageGiB)} GiB of storage`] : []),
    ...Object.entries(gpus).map(
      ([type, count]) => `${count} ${type}${prices.gpus?.[type] === undefined ? " (without a price)" : ""}`,
    ),
  ];
  return `${amounts.join(", ")} (${basis}${spot === true ? ", spot" : ""})`;
}

const short = (amount: number): string => `${Number(amount.toPrecision(4))}`;

/** What `elapsedMs` at this rate come to, without the minimum. */
export function costOf(perHour: number, elapsedMs: number): number {
  return (perHour * Math.max(0, elapsedMs)) / hourMs;
}

/** For people: four figures, "0.0494 EUR". */
export function moneyText(amount: number, currency: string): string {
  const text = Math.abs(amount) >= 1000 ? amount.toFixed(2) : `${Number(amount.toPrecision(4))}`;
  return currency === "" ? text : `${text} ${currency}`;
}
