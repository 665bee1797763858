// The volumes of a task and where its containers mount them. ECS knows no paths within a volume: a subPath of an emptyDir becomes a
// volume of its own, one of EFS a root directory of its own. Pure.
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { MountPoint, Volume } from "@aws-sdk/client-ecs";
import {
  type LateText,
  type PodSpec,
  type ResolvedMount,
  type ResolvedPod,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { claimedEfsVolume, efsVolume } from "./efs.ts";

export interface TaskVolumes {
  readonly volumes: readonly Volume[];
  /** By container of the pod. */
  readonly mounts: ReadonlyMap<string, readonly MountPoint[]>;
  /** Bytes that emptyDir volumes may hold, those without a limit left out. */
  readonly scratchBytes: number;
  readonly notes: readonly CreateNote[];
}

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

/** Throws Unsupported or Invalid with the field. */
export function taskVolumes(spec: PodSpec, resolved: Pick<ResolvedPod, "containers" | "volumes">): TaskVolumes {
  const volumes = new Map<string, Volume>();
  const mounts = new Map<string, readonly MountPoint[]>();
  const wholes = wholeMounts(resolved);
  for (const { container, field } of placedContainers(spec)) {
    const own = resolved.containers.find(({ name }) => name === container.name)?.mounts ?? [];
    mounts.set(
      container.name,
      own.map((mount, index) => {
        const place = `${field}.volumeMounts[${index}]`;
        if (mount.mountPropagation !== undefined)
          throw refused(`${place}.mountPropagation`, "Fargate mounts nothing into running containers");
        if (mount.recursiveReadOnly === "Enabled")
          throw refused(`${place}.recursiveReadOnly`, "ECS does not promise it");
        const volume = volumeOf(mount, spec, resolved, wholes, `${place}.subPath`);
        volumes.set(volume.name ?? "", volume);
        const isReadOnly = mount.readOnly || mustBeReadOnly(mount.volume, spec, resolved);
        return { sourceVolume: volume.name, containerPath: mount.mountPath, readOnly: isReadOnly };
      }),
    );
  }
  const scratch = resolved.volumes.filter((volume) => volume.type === "emptyDir");
  return {
    volumes: [...volumes.values()].sort((one, other) => ((one.name ?? "") < (other.name ?? "") ? -1 : 1)),
    mounts,
    scratchBytes: scratch.reduce((sum, { sizeLimit = 0 }) => sum + sizeLimit, 0),
    notes: scratch.flatMap(({ name, medium }) =>
      medium === ""
        ? []
        : [
            {
              eventType: "Warning",
              reason: "FieldIgnored",
              message: `spec.volumes[${(spec.volumes ?? []).findIndex((volume) => volume.name === name)}].emptyDir.medium: Fargate keeps it on its encrypted disk, not in memory`,
            } as const,
          ],
    ),
  };
}

function mustBeReadOnly(volume: string, spec: PodSpec, { volumes }: Pick<ResolvedPod, "volumes">): boolean {
  const known = volumes.find(({ name }) => name === volume);
  // As kubelets mount them: what is in them is ours to change.
  if (known?.type === "files") return true;
  const given = spec.volumes?.find(({ name }) => name === volume);
  const { csi, nfs } = known?.type === "backend" ? (known.claimed ?? {}) : {};
  return [given?.persistentVolumeClaim, given?.csi, given?.nfs, csi, nfs].some((each) => each?.readOnly === true);
}

/** Names of volumes that a container mounts as a whole. */
function wholeMounts({ containers }: Pick<ResolvedPod, "containers">): ReadonlySet<string> {
  return new Set(
    containers.flatMap(({ mounts }) =>
      mounts.filter(({ subPath }) => plainPath(subPath) === "").map(({ volume }) => volume),
    ),
  );
}

/** Undefined for one that is known only when the pod runs. */
function plainPath(subPath: LateText | undefined): string | undefined {
  if (subPath === undefined) return "";
  if (typeof subPath !== "string") return undefined;
  const path = posix.normalize(subPath).replace(/\/$/, "");
  return path === "." ? "" : path;
}

function volumeOf(
  mount: ResolvedMount,
  spec: PodSpec,
  { volumes }: Pick<ResolvedPod, "volumes">,
  wholes: ReadonlySet<string>,
  field: string,
): Volume {
  const path = plainPath(mount.subPath);
  if (path === undefined)
    throw refused(`${field}Expr`, "a path made of the pod's address is not known when the task is made");
  const index = (spec.volumes ?? []).findIndex(({ name }) => name === mount.volume);
  const volume = spec.volumes?.[index];
  const known = volumes.find(({ name }) => name === mount.volume);
  if (volume === undefined || known === undefined)
    throw new VirtualKubeletError("Invalid", `the pod has no volume ${mount.volume}`, { field });
  const claimed = known.type === "backend" ? known.claimed : undefined;
  const efs =
    claimed === undefined
      ? efsVolume(volume, `spec.volumes[${index}]`)
      : claimedEfsVolume(claimed, `spec.volumes[${index}].persistentVolumeClaim`);
  const name = path === "" ? mount.volume : partName(mount.volume, path);
  if (efs !== undefined) return { name, efsVolumeConfiguration: path === "" ? efs : within(efs, path, field) };
  if (known.type === "hostPath")
    throw refused(`spec.volumes[${index}].hostPath`, "Fargate has no host that pods could see");
  if (known.type === "backend") throw refused(`spec.volumes[${index}]`, "Fargate has no volumes of this kind");
  if (path === "") return { name, host: {} };
  if (known.type === "files")
    throw refused(field, "ECS mounts no single files and no part of a volume: mount the whole of it");
  if (wholes.has(mount.volume)) throw refused(field, "ECS mounts no part of a volume that is mounted as a whole, too");
  return { name, host: {} };
}

function within(
  efs: NonNullable<Volume["efsVolumeConfiguration"]>,
  path: string,
  field: string,
): NonNullable<Volume["efsVolumeConfiguration"]> {
  if (efs.authorizationConfig?.accessPointId !== undefined)
    throw refused(field, "EFS has no paths below an access point");
  return { ...efs, rootDirectory: posix.join(efs.rootDirectory ?? "/", path) };
}

/** No name of a pod's volume holds an underscore. */
function partName(volume: string, path: string): string {
  return `${volume}_${createHash("sha256").update(path).digest("hex").slice(0, 16)}`;
}
