// What the parts of a fake region have in common: names, tags, pages.
import { randomBytes } from "node:crypto";
import type { Tag } from "@aws-sdk/client-ecs";
import type { Clock } from "@virtual-kubelet/virtual-kubelet";
import { refusal } from "./aws-refusal.ts";

export class FakeAccount {
  readonly region: string;
  readonly account: string = "123456789012";
  readonly clock: Clock;
  readonly #tags = new Map<string, ReadonlyMap<string, string>>();

  constructor(region: string, clock: Clock) {
    this.region = region;
    this.clock = clock;
  }

  arn(service: string, resource: string): string {
    return `arn:aws:${service}:${this.region}:${this.account}:${resource}`;
  }

  now(): Date {
    return new Date(this.clock.now());
  }

  tagsOf(arn: string): Tag[] {
    return [...(this.#tags.get(arn) ?? [])].map(([key, value]) => ({ key, value }));
  }

  /** Adds them; refuses what ECS would. */
  tag(arn: string, tags: readonly Tag[]): void {
    const all = new Map(this.#tags.get(arn));
    for (const { key = "", value = "" } of tags) all.set(key, value);
    checkTags(all);
    this.#tags.set(arn, all);
  }

  untag(arn: string, keys: readonly string[]): void {
    this.#tags.set(arn, new Map([...(this.#tags.get(arn) ?? [])].filter(([key]) => !keys.includes(key))));
  }

  forget(arn: string): void {
    this.#tags.delete(arn);
  }
}

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

function checkTags(tags: ReadonlyMap<string, string>): void {
  if (tags.size > 50) throw refusal("InvalidParameterException", `${tags.size} tags are more than 50`);
  for (const [key, value] of tags)
    if (key === "" || key.length > 128 || value.length > 256 || !tagText.test(key + value) || /^aws:/i.test(key))
      throw refusal("InvalidParameterException", `Some tags contain invalid characters or are too long: ${key}`);
}

/** So many of a sorted list, from where the token says. */
export function page<T>(
  all: readonly T[],
  token: string | undefined,
  size: number | undefined,
  most: number,
): { readonly items: T[]; readonly nextToken: string | undefined } {
  if (size !== undefined && (size < 1 || size > most))
    throw refusal("InvalidParameterException", `maxResults must be between 1 and ${most}`);
  const start = token === undefined ? 0 : Number(Buffer.from(token, "base64url").toString("latin1").slice(2));
  if (!Number.isSafeInteger(start)) throw refusal("InvalidParameterException", "Invalid token");
  const end = start + (size ?? most);
  const nextToken = end < all.length ? Buffer.from(`p:${end}`).toString("base64url") : undefined;
  return { items: all.slice(start, end), nextToken };
}

/** 32 hexadecimal digits, as ids of tasks have them. */
export function hexId(bytes: number = 16): string {
  return randomBytes(bytes).toString("hex");
}
