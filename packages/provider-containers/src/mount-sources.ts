// Where what a container mounts is on the host. Containers write into their volumes at any time: a path in one is looked up once,
// and what was found then is bound to a place of ours, so that the engine finds that and nothing else.
import { join } from "node:path";
import { type Logger, type Mount, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import {
  bindOpen,
  openHostPath,
  openInside,
  openSubPath,
  type VolumeNote,
  volumePath,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineMount } from "./engine/engine-client.ts";

export interface MountFacts {
  readonly container: string;
  /** Of the pod. */
  readonly volumes: string;
  readonly notes: readonly VolumeNote[];
  /** Directories of the host that pods may have. */
  readonly hostPaths: readonly string[];
  /** Of the run: for what is bound. */
  readonly places: string;
  readonly log: Logger;
}

/** All in its order. Paths in volumes that are not there are made. Throws Invalid, in the kubelet's words, Unsupported, Unavailable. */
export async function volumeMounts(mounts: readonly Mount[], facts: MountFacts): Promise<readonly EngineMount[]> {
  const all: EngineMount[] = [];
  for (const [index, mount] of mounts.entries()) all.push(await volumeMount(mount, index, facts));
  return all;
}

async function volumeMount(mount: Mount, index: number, facts: MountFacts): Promise<EngineMount> {
  const note = facts.notes.find(({ name }) => name === mount.volume);
  if (note === undefined)
    throw new VirtualKubeletError(
      "Invalid",
      `cannot find volume ${JSON.stringify(mount.volume)} to mount into container ${JSON.stringify(facts.container)}`,
    );
  // Those are the kubelet's to write.
  const ReadOnly = mount.readOnly || note.type === "files";
  return {
    Type: "bind",
    Source: await sourceOf(mount, note, join(facts.places, String(index)), facts),
    Target: mount.mountPath.startsWith("/") ? mount.mountPath : `/${mount.mountPath}`,
    ...(ReadOnly && { ReadOnly }),
    BindOptions: { Propagation: propagation(mount) },
  };
}

function propagation({ mountPropagation }: Mount): "rprivate" | "rslave" | "rshared" {
  if (mountPropagation === "Bidirectional") return "rshared";
  return mountPropagation === "HostToContainer" ? "rslave" : "rprivate";
}

async function sourceOf(mount: Mount, note: VolumeNote, place: string, facts: MountFacts): Promise<string> {
  const recursiveReadOnly = mount.readOnly && mount.recursiveReadOnly !== undefined;
  if (mount.subPath !== undefined && mount.subPath !== "") {
    await using found = await openSubPath(mount, mount.subPath, { ...facts, note });
    await bindOpen(found, place);
    return place;
  }
  if (note.type !== "hostPath") {
    const root = volumePath(facts.volumes, mount.volume);
    if (!recursiveReadOnly) return root;
    await using found = await openInside(root, "");
    await bindOpen(found, place, { recursive: true, readOnly: true });
    return place;
  }
  // Whoever may have all of the host gains nothing by links in it. What is mounted by a container for all to see (it is privileged
  // then) is so only where it really is.
  const everything = facts.hostPaths.includes("/");
  if (!recursiveReadOnly && (everything || mount.mountPropagation === "Bidirectional")) return note.path;
  await using found = await openHostPath({ ...note, hostPathType: "" }, facts.hostPaths);
  await bindOpen(found, place, { recursive: true, readOnly: recursiveReadOnly });
  return place;
}
