// Which images are ours, written down: pulled by us, when, used when last, and with whose credentials. Only those are ever removed,
// and who has no such credentials does not get them for nothing.
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import { type ImageCredential, parseImageName } from "@virtual-kubelet/virtual-kubelet";
import { readIfThere, writeWhole } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { ImageDetails } from "./engine/engine-client.ts";
import { isNameOf } from "./image-names.ts";
import { credentialText } from "./image-pulls.ts";

/** Who may have an image without asking its registry again. */
interface Access {
  readonly everybody: boolean;
  /** Fingerprints. */
  readonly credentials: readonly string[];
}

export interface OurImage {
  /** As they were asked for; of an image whose names now mean another one, none. */
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly pulledAt: number;
  readonly usedAt: number;
  /** By name without tag and digest. */
  readonly access: Readonly<Record<string, Access>>;
}

interface Content {
  readonly version: 1;
  /** Of the fingerprints of credentials. */
  readonly key: string;
  /** By id. */
  readonly images: Readonly<Record<string, OurImage>>;
  /** Pulls under way: by name, the id that it had before, "" for none. */
  readonly pulling: Readonly<Record<string, string>>;
}

const schema: v.GenericSchema<unknown, Content> = v.object({
  version: v.literal(1),
  key: v.string(),
  images: v.record(
    v.string(),
    v.object({
      names: v.array(v.string()),
      pulledAt: v.number(),
      usedAt: v.number(),
      access: v.record(v.string(), v.object({ everybody: v.boolean(), credentials: v.array(v.string()) })),
    }),
  ),
  pulling: v.record(v.string(), v.string()),
});

/** Of one repository no more: old credentials make place for new ones. */
const maxCredentials = 100;

export class ImageRecord {
  readonly #path: string;
  readonly #now: () => number;
  readonly #key: string;
  readonly #images: Map<string, OurImage>;
  readonly #pulling: Map<string, string>;
  #written: Promise<void> = Promise.resolve();
  #dirty = false;

  private constructor(path: string, now: () => number, content: Content) {
    this.#path = path;
    this.#now = now;
    this.#key = content.key;
    this.#images = new Map(Object.entries(content.images));
    this.#pulling = new Map(Object.entries(content.pulling));
  }

  /** Throws when the file is there and cannot be read: nothing is taken for ours by guess. */
  static read(directory: string, now: () => number): ImageRecord {
    const path = join(directory, "images.json");
    const text = readIfThere(path);
    const content: Content =
      text === undefined
        ? { version: 1, key: randomBytes(32).toString("hex"), images: {}, pulling: {} }
        : v.parse(schema, JSON.parse(text));
    return new ImageRecord(path, now, content);
  }

  /** By id. */
  get images(): ReadonlyMap<string, OurImage> {
    return this.#images;
  }

  /** Names of pulls that are under way, or of which nobody saw the end. */
  get unfinished(): readonly string[] {
    return [...this.#pulling.keys()];
  }

  /** Before a pull, of each name one at a time: what comes of it is ours although we may not live to see it. */
  async begin(name: string, idBefore: string): Promise<void> {
    if (this.#pulling.has(name)) return;
    this.#pulling.set(name, idBefore);
    await this.#write();
  }

  /** After a pull that failed for certain. */
  async end(name: string): Promise<void> {
    if (this.#pulling.delete(name)) await this.#write();
  }

  /**
   * The name means this id now. `credential`: what it was had with, undefined for none, "unknown" where nobody knows. One that
   * was there before and not ours is not ours because it was asked for again.
   */
  async pulled(name: string, id: string, credential: ImageCredential | undefined | "unknown"): Promise<void> {
    const before = this.#pulling.get(name);
    this.#pulling.delete(name);
    const known = this.#images.get(id);
    for (const [other, image] of this.#images)
      if (other !== id && image.names.includes(name))
        this.#images.set(other, { ...image, names: image.names.filter((one) => one !== name) });
    if (known !== undefined || before !== id) {
      const now = this.#now();
      const repository = parseImageName(name).repository;
      const who = known?.access[repository] ?? { everybody: false, credentials: [] };
      this.#images.set(id, {
        names: [...new Set([...(known?.names ?? []), name])],
        pulledAt: known?.pulledAt ?? now,
        usedAt: now,
        access: { ...known?.access, [repository]: this.#widened(who, credential) },
      });
    }
    await this.#write();
  }

  /** Whether one with these credentials may have it by this name: what is not ours, or was named so by others, is everybody's. */
  mayUse(
    name: string,
    { id, tags }: Pick<ImageDetails, "id" | "tags">,
    credentials: readonly ImageCredential[],
  ): boolean {
    const image = this.#images.get(id);
    const before = this.#pulling.get(name);
    if (image === undefined) return before === undefined || before === id;
    const { repository } = parseImageName(name);
    const theirs = tags.filter((tag) => !image.names.some((one) => isNameOf(tag, one)));
    if (theirs.some((tag) => isNameOf(parseImageName(tag).repository, repository))) return true;
    const who = image.access[repository];
    if (who === undefined) return false;
    return who.everybody || credentials.some((one) => who.credentials.includes(this.#fingerprint(one)));
  }

  /** Written with the next change, or by `save`. */
  used(ids: Iterable<string>): void {
    for (const id of ids) {
      const image = this.#images.get(id);
      if (image === undefined) continue;
      this.#images.set(id, { ...image, usedAt: this.#now() });
      this.#dirty = true;
    }
  }

  /** Those that are gone are ours no more. */
  async forget(ids: Iterable<string>): Promise<void> {
    let changed = false;
    for (const id of ids) changed = this.#images.delete(id) || changed;
    if (changed) await this.#write();
  }

  async save(): Promise<void> {
    if (this.#dirty) await this.#write();
  }

  #widened(who: Access, credential: ImageCredential | undefined | "unknown"): Access {
    if (credential === "unknown" || who.everybody) return who;
    if (credential === undefined) return { everybody: true, credentials: [] };
    const others = who.credentials.filter((one) => one !== this.#fingerprint(credential));
    return { everybody: false, credentials: [...others, this.#fingerprint(credential)].slice(-maxCredentials) };
  }

  #fingerprint(credential: ImageCredential): string {
    return createHmac("sha256", this.#key).update(credentialText(credential)).digest("hex");
  }

  /** One after the other; each writes what holds by then. */
  #write(): Promise<void> {
    this.#written = this.#written
      .catch(() => undefined)
      .then(async () => {
        this.#dirty = false;
        const content: Content = {
          ...{ version: 1, key: this.#key },
          ...{ images: Object.fromEntries(this.#images), pulling: Object.fromEntries(this.#pulling) },
        };
        await writeWhole(this.#path, JSON.stringify(content));
      });
    return this.#written;
  }
}
