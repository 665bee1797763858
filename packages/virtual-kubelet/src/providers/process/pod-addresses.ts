// The IPv4 addresses of a node's pods: a range, and who has which of it. No address is given to two.
import { VirtualKubeletError } from "../../errors.ts";

/** Addresses as numbers of 32 bits. */
export interface AddressRange {
  /** The network's own. */
  readonly first: number;
  /** The broadcast address. */
  readonly last: number;
  readonly prefix: number;
}

/** undefined: no IPv4 range, or one with less than 6 or more than 65534 addresses to give. */
export function parseRange(text: string): AddressRange | undefined {
  const [, address = "", bits = ""] = /^([\d.]+)\/(\d{2})$/.exec(text) ?? [];
  const number = parseAddress(address);
  const prefix = Number(bits);
  if (number === undefined || prefix < 16 || prefix > 29) return undefined;
  const size = 2 ** (32 - prefix);
  const first = number - (number % size);
  return { first, last: first + size - 1, prefix };
}

export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** Have two ranges an address in common? */
export function overlaps(a: Pick<AddressRange, "first" | "last">, b: Pick<AddressRange, "first" | "last">): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** The first address is the node's own, all others are for pods. One that was given back is the last to be given again. */
export class AddressPool {
  readonly range: AddressRange;
  readonly #byUid = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next: number;

  constructor(range: AddressRange) {
    this.range = range;
    this.#next = range.first + 2;
  }

  /** Of the node, in the pods' network. */
  get gateway(): string {
    return addressText(this.range.first + 1);
  }

  /** The pod's, from now on until it is given back. Throws Unavailable when all are taken. */
  take(uid: string): string {
    const known = this.#byUid.get(uid);
    if (known !== undefined) return addressText(known);
    const { first, last } = this.range;
    for (let turn = first + 2; turn < last; turn++) {
      const address = this.#next;
      this.#next = address + 1 < last ? address + 1 : first + 2;
      if (!this.#taken.has(address)) return this.#give(uid, address);
    }
    throw new VirtualKubeletError(
      "Unavailable",
      `all addresses of ${addressText(first)}/${this.range.prefix} are taken`,
    );
  }

  /** Recovers what was given before. False: it is not of this range, or another's. */
  recover(uid: string, text: string): boolean {
    const address = parseAddress(text);
    if (address === undefined || this.#taken.has(address)) return false;
    if (address < this.range.first + 2 || address >= this.range.last) return false;
    this.#give(uid, address);
    return true;
  }

  giveBack(uid: string): void {
    const address = this.#byUid.get(uid);
    if (address === undefined) return;
    this.#byUid.delete(uid);
    this.#taken.delete(address);
  }

  #give(uid: string, address: number): string {
    this.#byUid.set(uid, address);
    this.#taken.add(address);
    return addressText(address);
  }
}
