// Contents of files and secret texts on their way into tasks: in variables of Nomad, which tasks read by their identity, so that no
// secret stands in a job, and what changes later reaches the files. Files without secrets that do not fit stand in the job. Pure.
import { createHash } from "node:crypto";
import { type ResolvedFile, type ResolvedVolume, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { ownerItem, type VariableOwner } from "./variable-owner.ts";
import type { NomadVariable } from "./wire.ts";
import type { NomadTemplate } from "./wire-job.ts";

/** Nomad takes 64 KiB, keys included. */
const mostBytes = 60 * 1024;

/** Values are base64. */
export class VariableItems {
  readonly path: string;
  readonly #owner: Readonly<Record<string, string>>;
  readonly #items = new Map<string, string>();
  #size = 0;

  /** `owner`: undefined where the items tell it already. */
  constructor(path: string, owner?: VariableOwner) {
    this.path = path;
    this.#owner = owner === undefined ? {} : ownerItem(owner);
  }

  /** Whether it fits beside what is there. */
  add(key: string, data: Uint8Array): boolean {
    const value = Buffer.from(data).toString("base64");
    const had = this.#items.get(key);
    const size = this.#size + (had === undefined ? key.length + value.length : value.length - had.length);
    if (size > mostBytes) return false;
    this.#items.set(key, value);
    this.#size = size;
    return true;
  }

  /** Undefined: nothing is in it. */
  variable(): NomadVariable | undefined {
    return this.#items.size === 0
      ? undefined
      : { Path: this.path, Items: { ...Object.fromEntries(this.#items), ...this.#owner } };
  }
}

/** The same for the same file of a volume, for ever. */
export function fileKey(volume: string, path: string): string {
  return `f${createHash("sha256").update(`${volume}/${path}`).digest("hex").slice(0, 24)}`;
}

/** Directory of a volume's files below the task's own; what is secret is in memory. */
export function filesDirectory(volume: Extract<ResolvedVolume, { type: "files" }>): string {
  const isSecret = volume.memory || volume.files.some(({ secret }) => secret);
  return `${isSecret ? "secrets" : "local"}/vk/${volume.name}`;
}

export interface FilesOptions {
  readonly items: VariableItems;
  /** Group of the files. */
  readonly fsGroup: number | undefined;
  readonly field: string;
}

/** Throws Invalid for secrets that do not fit. */
export function fileTemplates(
  volume: Extract<ResolvedVolume, { type: "files" }>,
  { items, fsGroup, field }: FilesOptions,
): { readonly templates: readonly NomadTemplate[]; readonly isFixed: boolean } {
  const directory = filesDirectory(volume);
  let isFixed = false;
  // Secrets have the first claim.
  const files = [...volume.files].sort((one, other) => Number(other.secret) - Number(one.secret));
  const templates = files.map((file): NomadTemplate => {
    const key = fileKey(volume.name, file.path);
    const isThere = items.add(key, file.data);
    if (!isThere && file.secret)
      throw new VirtualKubeletError(
        "Invalid",
        `${file.path} is too large: a variable of Nomad holds 64 KiB, and secrets of a pod go into one`,
        { field },
      );
    if (!isThere) isFixed = true;
    return {
      EmbeddedTmpl: isThere ? fromVariable(items.path, key) : embedded(file),
      DestPath: `${directory}/${file.path}`,
      Perms: (file.mode & 0o777).toString(8).padStart(4, "0"),
      ...(file.uid === undefined ? {} : { Uid: file.uid }),
      ...(fsGroup === undefined ? {} : { Gid: fsGroup }),
      ChangeMode: "noop",
    };
  });
  return { templates, isFixed };
}

/** What a template writes that has the item's bytes. */
export function fromVariable(path: string, key: string): string {
  return `{{ with nomadVar "${path}" }}{{ base64Decode .${key}.Value }}{{ end }}`;
}

/** A file's own braces are no template's. */
function embedded({ data }: ResolvedFile): string {
  const text = Buffer.from(data).toString("utf8");
  if (Buffer.from(text, "utf8").compare(data) !== 0)
    return `{{ base64Decode "${Buffer.from(data).toString("base64")}" }}`;
  return escapeTemplate(text);
}

export function escapeTemplate(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}
