// Mounts of a container as the cloud has them: of whole volumes, on directories. A sub-path of files that we bring is a volume of its
// own, or a copy where it is a single file. Pure.
import type { LateText, ResolvedContainer, ResolvedFile, ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { StartSteps } from "./start-steps.ts";
import type { VolumeMount } from "./wire-containers.ts";

export interface TranslatedMounts {
  readonly mounts: readonly VolumeMount[];
  readonly copies: StartSteps["copies"];
  readonly parts: readonly VolumePart[];
}

/** A directory of a volume of files that is mounted by itself, as a volume of its own. */
export interface VolumePart {
  readonly name: string;
  /** The volume that it is of. */
  readonly of: string;
  readonly files: readonly ResolvedFile[];
}

/** Where volumes are mounted of which a container wants single files. */
const filesRoot = "/var/run/virtual-kubelet/volumes";

/** Throws Unsupported with the field. `writable`: volumes that must stay so, to be renewed. */
export function translatedMounts(
  container: ResolvedContainer,
  path: string,
  volumes: readonly ResolvedVolume[],
  writable: ReadonlySet<string>,
): TranslatedMounts {
  const mounts: VolumeMount[] = [];
  const copies: StartSteps["copies"][number][] = [];
  const parts: VolumePart[] = [];
  for (const [index, mount] of container.mounts.entries()) {
    const { volume, mountPath, readOnly, subPath, mountPropagation } = mount;
    const field = `${path}.volumeMounts[${index}]`;
    if (mountPath.includes(":")) throw unsupported(`${field}.mountPath`, "the cloud takes no colon in it");
    if (mountPropagation !== undefined) throw unsupported(`${field}.mountPropagation`, "the cloud has None alone");
    const base = { mountPath, ...(readOnly && !writable.has(volume) && { readOnly: true }) };
    if (subPath === undefined || subPath === "") {
      mounts.push({ name: volume, ...base });
      continue;
    }
    const known = volumes.find(({ name }) => name === volume);
    if (known?.type !== "files")
      throw unsupported(
        `${field}.subPath`,
        "the cloud mounts volumes as a whole; parts only of ConfigMaps, Secrets and the like",
      );
    const wanted = plain(subPath, `${field}.subPath`);
    const name = `part-${path.startsWith("spec.init") ? "i" : "c"}${/\d+/.exec(path)?.[0] ?? ""}-${index}`;
    const files = under(known.files, wanted);
    if (files !== undefined) {
      parts.push({ name, of: volume, files });
      mounts.push({ name, ...base });
      continue;
    }
    const file = fileOfMount(mount, volumes);
    if (file === undefined)
      throw unsupported(`${field}.subPath`, `the volume ${volume} has no file or directory ${wanted}`);
    const alone = file.path.replace(/^.*\//, "");
    parts.push({ name, of: volume, files: [{ ...file, path: alone }] });
    mounts.push({ name, mountPath: `${filesRoot}/${name}`, readOnly: true });
    copies.push({ from: `${filesRoot}/${name}/${alone}`, to: mountPath, field: `${field}.subPath` });
  }
  return { mounts, copies, parts };
}

/** The single file of a volume of files that it mounts; undefined where it mounts something else. */
export function fileOfMount(
  { volume, subPath }: ResolvedContainer["mounts"][number],
  volumes: readonly ResolvedVolume[],
): ResolvedFile | undefined {
  const known = volumes.find(({ name }) => name === volume);
  if (known?.type !== "files" || typeof subPath !== "string" || subPath === "") return undefined;
  return known.files.find(({ path }) => path === plainPath(subPath));
}

function plain(text: LateText, field: string): string {
  if (typeof text !== "string") throw unsupported(field, "addresses of the pod are not known when it is mounted");
  return plainPath(text);
}

function plainPath(text: string): string {
  return text.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
}

/** Undefined where it is no directory of these. */
function under(files: readonly ResolvedFile[], directory: string): readonly ResolvedFile[] | undefined {
  if (directory === "" || directory === ".") return files;
  const inside = files.filter(({ path }) => path.startsWith(`${directory}/`));
  return inside.length === 0
    ? undefined
    : inside.map((file) => ({ ...file, path: file.path.slice(directory.length + 1) }));
}
