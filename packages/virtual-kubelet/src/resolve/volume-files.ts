// The files of one volume, gathered source by source: paths, permissions, contents, and what is missing for them.
import type { Stored } from "../kube/resource.ts";
import type { DownwardAPIVolumeFile, KeyToPath, Pod } from "../kube/types.gen.ts";
import type { ResolvedFile } from "../resolved-pod.ts";
import { volumeField } from "./field-ref.ts";
import type { FileOwner } from "./file-owner.ts";
import { kinds, type ObjectKind, unreadable } from "./object-kinds.ts";
import { resourceValue } from "./resource-field-ref.ts";
import type { Findings, Sources } from "./sources.ts";

export interface FilesInput {
  readonly pod: Stored<Pod>;
  readonly volume: string;
  readonly sources: Sources;
  readonly findings: Findings;
  readonly defaultMode: number;
  readonly owner: FileOwner;
}

/** An object has a mebibyte at most; a volume of more than so many of them is no configuration. */
const largestVolume = 32 * 1024 * 1024;

export interface FileOptions {
  readonly mode?: number | undefined;
  readonly secret?: boolean | undefined;
  /** Only who runs the containers may read it. */
  readonly personal?: boolean | undefined;
}

export class VolumeFiles {
  readonly input: FilesInput;
  readonly #files = new Map<string, ResolvedFile>();
  #bytes = 0;
  #complete = true;

  constructor(input: FilesInput) {
    this.input = input;
  }

  /** Nothing was missing, refused or still being read. */
  get isComplete(): boolean {
    return this.#complete;
  }

  list(): readonly ResolvedFile[] {
    return [...this.#files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Keys of a ConfigMap or Secret: all, or those named. */
  takeObject(
    kind: ObjectKind,
    name: string,
    { items = [], optional = false }: { readonly items?: readonly KeyToPath[]; readonly optional?: boolean },
    field: string,
  ): void {
    const { sources, pod } = this.input;
    const view = kind.files(sources, pod.metadata.namespace ?? "", name);
    if (view.state === "pending") this.wait();
    else if (view.state === "unreadable") this.fail(field, unreadable(kind, name, view.message));
    else if (view.state === "absent") {
      if (!optional) this.fail(field, `${kind.lowerName} "${name}" not found`);
    } else if (items.length === 0) {
      const secret = kind === kinds.secret;
      for (const [key, data] of view.value) this.put(key, data, field, { secret });
    } else this.#takeItems(kind, view.value, items, optional, field);
  }

  #takeItems(
    kind: ObjectKind,
    content: ReadonlyMap<string, Uint8Array>,
    items: readonly KeyToPath[],
    optional: boolean,
    field: string,
  ): void {
    for (const [index, { key, path, mode }] of items.entries()) {
      const data = content.get(key);
      const item = `${field}.items[${index}]`;
      if (data !== undefined) this.put(path, data, `${item}.path`, { mode, secret: kind === kinds.secret });
      else if (!optional) this.fail(item, `references non-existent ${kind.keyName}: ${key}`);
    }
  }

  /** Fields of the pod. */
  takeFields(items: readonly DownwardAPIVolumeFile[], field: string): void {
    const { pod, sources } = this.input;
    for (const [index, { path, mode, fieldRef, resourceFieldRef }] of items.entries()) {
      const item = `${field}.items[${index}]`;
      if (fieldRef !== undefined) {
        const text = volumeField(pod, fieldRef.fieldPath);
        if (text === undefined)
          this.refuse(`${item}.fieldRef.fieldPath`, `no such field for a file: ${fieldRef.fieldPath}`);
        else this.put(path, Buffer.from(text), `${item}.path`, { mode });
      } else if (resourceFieldRef !== undefined) {
        const node = sources.node(pod.spec?.nodeName ?? "");
        const value = resourceValue(pod, undefined, resourceFieldRef, node.state === "found" ? node.value : undefined);
        if (node.state === "pending") this.wait();
        if ("fault" in value) this.refuse(`${item}.resourceFieldRef`, value.fault);
        else this.put(path, Buffer.from(value.text), `${item}.path`, { mode });
      }
    }
  }

  put(path: string, data: Uint8Array, field: string, { mode, secret = false, personal = false }: FileOptions): void {
    const { owner, defaultMode } = this.input;
    this.#bytes += data.length;
    if (!isInside(path)) {
      this.refuse(field, `must be a relative path without "..": ${path}`);
      return;
    }
    if (this.#bytes > largestVolume) {
      this.refuse(field, `the volume's files have more than ${largestVolume} bytes`);
      return;
    }
    const own = personal && (owner.uid !== undefined || owner.group);
    const bits = own ? 0o600 : (mode ?? defaultMode);
    this.#files.set(path, {
      path,
      mode: owner.group ? bits | 0o440 : bits,
      ...(own && owner.uid !== undefined ? { uid: owner.uid } : {}),
      data,
      secret,
    });
  }

  /** Something of it is still being read. */
  wait(): void {
    this.#complete = false;
    this.input.findings.pending = true;
  }

  /** The kubelet's words for a volume that cannot be set up. */
  fail(field: string, message: string): void {
    this.#complete = false;
    const text = `MountVolume.SetUp failed for volume "${this.input.volume}" : ${message}`;
    this.input.findings.faults.push({ field, reason: "FailedMount", message: text });
  }

  refuse(field: string, message: string): void {
    this.#complete = false;
    this.input.findings.refusals.push({ field, message });
  }
}

/** Relative, not empty, and never out of the volume. */
export function isInside(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0");
}
