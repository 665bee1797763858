// Pod addresses: hands out each address of a range once until it is given back.
import { isIPv6 } from "node:net";
import { VirtualKubeletError } from "../../errors.ts";

/** First address and number of addresses of a CIDR range; throws an Error that says what is wrong. */
export function parseRange(cidr: string): { readonly first: bigint; readonly count: bigint; readonly family: 4 | 6 } {
  const [address, length, ...rest] = cidr.split("/");
  const family = isIPv6(address ?? "") ? 6 : 4;
  const bits = family === 6 ? 128 : 32;
  const prefix = /^\d{1,3}$/.test(length ?? "") ? Number(length) : bits + 1;
  const value = family === 6 ? parse6(address ?? "") : parse4(address ?? "");
  if (value === undefined || rest.length > 0 || prefix > bits) {
    throw new Error(`${JSON.stringify(cidr)} is not a CIDR range, such as "10.244.0.0/16"`);
  }
  const count = 1n << BigInt(bits - prefix);
  if (count < 4n) throw new Error(`${JSON.stringify(cidr)} is too small a range`);
  return { first: (value / count) * count, count, family };
}

export class AddressPool {
  readonly #first: bigint;
  readonly #count: bigint;
  readonly #family: 4 | 6;
  readonly #used = new Set<bigint>();
  #cursor = 0n;

  /** The first and the last address of the range are left out. */
  constructor(cidr: string) {
    const range = parseRange(cidr);
    this.#first = range.first + 1n;
    this.#count = range.count - 2n;
    this.#family = range.family;
  }

  /** An address that nobody has; those given back come last. Throws Quota when all are in use. */
  take(): string {
    if (BigInt(this.#used.size) >= this.#count) {
      throw new VirtualKubeletError("Quota", "all pod addresses of the range are in use");
    }
    while (this.#used.has(this.#cursor)) this.#cursor = (this.#cursor + 1n) % this.#count;
    const offset = this.#cursor;
    this.#used.add(offset);
    this.#cursor = (this.#cursor + 1n) % this.#count;
    return this.#family === 6 ? format6(this.#first + offset) : format4(this.#first + offset);
  }

  release(address: string): void {
    const value = this.#family === 6 ? parse6(address) : parse4(address);
    if (value !== undefined) this.#used.delete(value - this.#first);
  }
}

function parse4(text: string): bigint | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.some((part) => part > 255) ? undefined : BigInt(parts.reduce((sum, part) => sum * 256 + part, 0));
}

function format4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
}

function parse6(text: string): bigint | undefined {
  if (!isIPv6(text) || text.includes(".") || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** In the canonical form of RFC 5952: the API server warns of any other. */
function format6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let best = { from: 0, length: 1 };
  for (let from = 0; from < 8; from += 1) {
    let length = 0;
    while (groups[from + length] === "0") length += 1;
    if (length > best.length) best = { from, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.from).join(":")}::${groups.slice(best.from + best.length).join(":")}`;
}
