// Which images this host has: a map from names to root directories, or to the host itself. Pure.
import { VirtualKubeletError } from "../../errors.ts";

export interface ImageEntry {
  /** Directory that is the root of its containers; undefined: the host's own root. */
  readonly root?: string | undefined;
  /** In place of those of an image: for containers that name none. */
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly workingDir?: string | undefined;
}

export class ImageMap {
  readonly #exact = new Map<string, ImageEntry>();
  readonly #patterns: { readonly length: number; readonly pattern: RegExp; readonly entry: ImageEntry }[] = [];

  /** Names as users write them or with registry and tag; `*` stands for any characters. */
  constructor(entries: Readonly<Record<string, ImageEntry>>) {
    for (const [name, entry] of Object.entries(entries)) {
      if (!name.includes("*")) {
        this.#exact.set(normalised(name), entry);
        continue;
      }
      const pattern = new RegExp(`^${name.split("*").map(escaped).join(".*")}$`, "s");
      this.#patterns.push({ length: name.length, pattern, entry });
    }
    // The longest says most.
    this.#patterns.sort((a, b) => b.length - a.length);
  }

  find(image: string): ImageEntry | undefined {
    const full = normalised(image);
    const exact = this.#exact.get(full);
    if (exact !== undefined) return exact;
    return this.#patterns.find(({ pattern }) => pattern.test(full))?.entry;
  }

  /** Throws NotFound. */
  get(image: string): ImageEntry {
    const entry = this.find(image);
    if (entry !== undefined) return entry;
    throw new VirtualKubeletError(
      "NotFound",
      `image "${image}" is not among the images of this node; its containers are processes of the host, and only images that its configuration names can be run`,
      { field: "image" },
    );
  }
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** With a tag; a registry is not added where there is none. */
export function normalised(image: string): string {
  const last = image.slice(image.lastIndexOf("/") + 1);
  return /[:@]/.test(last) ? image : `${image}:latest`;
}
