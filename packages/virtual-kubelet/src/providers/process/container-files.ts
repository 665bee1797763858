// Where the files that a container is to have come from: volumes with their sub-paths, /etc/hosts, /etc/resolv.conf, the
// termination message. What cannot be had at its place is refused, never left out.
import { lstatSync, mkdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import type { ContainerSpec, Mount } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { type VolumeNote, volumePath } from "../../host/pod-volumes.ts";
import type { BoundMount } from "./mount-script.ts";

export interface PodPlaces {
  /** Directory of the pod's volumes. */
  readonly volumes: string;
  readonly notes: readonly VolumeNote[];
  /** File on the host; absent: the host's own stays. */
  readonly resolvConf?: string | undefined;
}

/** All volumes of a container. Makes sub-paths that are missing. */
export function volumeMounts(spec: ContainerSpec, pod: PodPlaces, image: string | undefined): readonly BoundMount[] {
  return spec.mounts.map((mount) => {
    const source = mountSource(mount, pod);
    const isFile = !statSync(source).isDirectory();
    const note = pod.notes.find(({ name }) => name === mount.volume);
    return {
      source,
      target: targetIn(image, mount.mountPath),
      isFile,
      readOnly: mount.readOnly || note?.type === "files",
    };
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

function mountSource({ volume, subPath }: Mount, pod: PodPlaces): string {
  const note = pod.notes.find(({ name }) => name === volume);
  if (note === undefined) throw new VirtualKubeletError("Invalid", `there is no volume ${volume}`);
  const base = note.type === "hostPath" ? note.path : volumePath(pod.volumes, volume);
  if (subPath === undefined || subPath === "") return base;
  const parts = subPath.split("/").filter((part) => part !== "" && part !== ".");
  if (subPath.startsWith("/") || parts.includes(".."))
    throw new VirtualKubeletError("Invalid", `subPath "${subPath}" must stay in its volume`, {
      field: "volumeMounts.subPath",
    });
  const root = realpathSync(base);
  let at = root;
  for (const part of parts) {
    const next = join(at, part);
    if (lstatSync(next, { throwIfNoEntry: false }) === undefined) {
      if (note.type === "files")
        throw new VirtualKubeletError("Invalid", `there is no ${subPath} in volume ${volume}`, {
          field: "volumeMounts.subPath",
        });
      // As its volume is.
      mkdirSync(next, { mode: statSync(root).mode & 0o7777 });
    }
    at = realpathSync(next);
    if (at !== root && !at.startsWith(`${root}/`))
      throw new VirtualKubeletError("Invalid", `subPath "${subPath}" of volume ${volume} leads out of it`, {
        field: "volumeMounts.subPath",
      });
  }
  return at;
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
