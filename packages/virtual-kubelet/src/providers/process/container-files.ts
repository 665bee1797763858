// Where the files that a container is to have come from: volumes with their sub-paths, /etc/hosts, /etc/resolv.conf, the
// termination message. What cannot be had at its place is refused, never left out.
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import type { ContainerSpec, Mount } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { bindOpen } from "../../host/mounts.ts";
import { type VolumeNote, volumePath } from "../../host/pod-volumes.ts";
import { openSubPath, type SubPathFacts } from "../../host/sub-path.ts";
import type { BoundMount } from "./mount-script.ts";

export interface PodPlaces {
  /** Directory of the pod's volumes. */
  readonly volumes: string;
  readonly notes: readonly VolumeNote[];
  /** File on the host; absent: the host's own stays. */
  readonly resolvConf?: string | undefined;
}

/** All volumes of a container; `bound`: where paths in them are. */
export function volumeMounts(
  spec: ContainerSpec,
  pod: PodPlaces,
  image: string | undefined,
  bound: ReadonlyMap<Mount, string>,
): readonly BoundMount[] {
  return spec.mounts.map((mount) => {
    const source = mountSource(mount, pod, bound);
    const isFile = !statSync(source).isDirectory();
    const readOnly = mount.readOnly || noteOf(mount, pod).type === "files";
    return { source, target: targetIn(image, mount.mountPath), isFile, readOnly };
  });
}

/** Without a mount namespace a volume is only where it is: fits when that is where the container wants it. Throws Unsupported. */
export function checkUnmounted(spec: ContainerSpec, pod: PodPlaces): void {
  for (const mount of spec.mounts) {
    const note = pod.notes.find(({ name }) => name === mount.volume);
    const place = note?.type === "hostPath" ? posix.join(note.path, mount.subPath ?? "") : undefined;
    if (place !== undefined && posix.normalize(mount.mountPath) === place && !mount.readOnly) continue;
    throw new VirtualKubeletError(
      "Unsupported",
      `volume ${mount.volume} cannot be mounted at ${mount.mountPath}: this node runs without mount namespaces, so only a hostPath that is mounted, writable, at its own path can be had`,
      { field: `volumeMounts[${mount.volume}].mountPath` },
    );
  }
}

/** Binds all paths in volumes that the container mounts to places in a directory, so that they stay what they are now. Missing ones are made. */
export async function bindSubPaths(
  spec: ContainerSpec,
  pod: PodPlaces,
  directory: string,
  { hostPaths, log }: Pick<SubPathFacts, "hostPaths" | "log">,
): Promise<ReadonlyMap<Mount, string>> {
  const bound = new Map<Mount, string>();
  for (const [index, mount] of spec.mounts.entries()) {
    if (mount.subPath === undefined || mount.subPath === "") continue;
    const { volumes } = pod;
    const facts = { container: spec.name, volumes, note: noteOf(mount, pod), hostPaths, log };
    await using found = await openSubPath(mount, mount.subPath, facts);
    const place = join(directory, String(index));
    await bindOpen(found, place);
    bound.set(mount, place);
  }
  return bound;
}

function mountSource(mount: Mount, pod: PodPlaces, bound: ReadonlyMap<Mount, string>): string {
  const note = noteOf(mount, pod);
  return bound.get(mount) ?? (note.type === "hostPath" ? note.path : volumePath(pod.volumes, mount.volume));
}

function noteOf({ volume }: Mount, { notes }: PodPlaces): VolumeNote {
  const note = notes.find(({ name }) => name === volume);
  if (note === undefined) throw new VirtualKubeletError("Invalid", `there is no volume ${volume}`);
  return note;
}

/** The place that a path means in a root directory, links within it resolved as its processes would. */
export function targetIn(image: string | undefined, path: string): string {
  const clean = posix.normalize(path).replace(/\/+$/, "");
  if (!posix.isAbsolute(path) || clean === "")
    throw new VirtualKubeletError("Invalid", `mountPath "${path}" must be an absolute path, and not the root`, {
      field: "volumeMounts.mountPath",
    });
  if (image === undefined) return clean;
  let at = "";
  const rest = clean.split("/").filter(Boolean);
  for (let links = 0; rest.length > 0; ) {
    const part = rest.shift() ?? "";
    if (part === "..") {
      at = posix.dirname(`/${at}`).replace(/\/+$/, "");
      continue;
    }
    const next = `${at}/${part}`;
    if (lstatSync(join(image, next), { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      at = next;
      continue;
    }
    if (++links > 40) throw new VirtualKubeletError("Invalid", `mountPath "${path}": too many links`);
    const target = readlinkSync(join(image, next));
    if (posix.isAbsolute(target)) at = "";
    rest.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
  }
  return at === "" ? "/" : at;
}
