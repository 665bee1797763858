// Volumes of a pod as Nomad has them: files by templates, scratch space in the directory that tasks share, paths of hosts, volumes
// of hosts and CSI that Nomad knows. Pure.
import {
  type Container,
  type PodSpec,
  type ResolvedMount,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import { type Driver, runsImages } from "./drivers.ts";
import { filesDirectory, fileTemplates, type VariableItems } from "./files.ts";
import type { NomadTemplate, NomadVolumeMount, NomadVolumeRequest } from "./wire-job.ts";

type Volume = NonNullable<PodSpec["volumes"]>[number];

/** Of CSI volumes in a pod's spec that mean one that Nomad knows by its name. */
export const csiDriver = "nomad.virtual-kubelet.io";

export interface TaskVolumes {
  readonly templates: readonly NomadTemplate[];
  /** `source:target:options`, as the drivers of images take them. */
  readonly binds: readonly string[];
  readonly mounts: readonly NomadVolumeMount[];
  readonly notes: readonly CreateNote[];
}

export interface VolumesOptions {
  readonly spec: PodSpec;
  readonly volumes: readonly ResolvedVolume[];
  readonly driver: Driver;
  /** Of the files. */
  readonly items: VariableItems;
  readonly field: string;
}

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

/** Throws Unsupported with the field. */
export function taskVolumes(mounts: readonly ResolvedMount[], options: VolumesOptions): TaskVolumes {
  const { spec, volumes, driver, items, field } = options;
  const templates = new Map<string, readonly NomadTemplate[]>();
  const binds: string[] = [];
  const nomadMounts: NomadVolumeMount[] = [];
  const notes: CreateNote[] = [];
  for (const [index, mount] of mounts.entries()) {
    const at = `${field}.volumeMounts[${index}]`;
    const { volume: name, mountPath, subPath, readOnly, mountPropagation } = mount;
    const volume = volumes.find((each) => each.name === name);
    if (volume === undefined) throw refused(`${at}.name`, `the pod has no volume ${name}`);
    if (subPath !== undefined && typeof subPath !== "string")
      throw refused(`${at}.subPathExpr`, "the pod's address is not known when its job is made");
    if (mount.recursiveReadOnly === "Enabled")
      throw refused(`${at}.recursiveReadOnly`, "Nomad makes no mounts read-only with all that is below them");
    if (volume.type === "backend") {
      if (subPath !== undefined && subPath !== "") throw refused(`${at}.subPath`, "Nomad mounts volumes whole");
      nomadMounts.push({
        ...{ Volume: name, Destination: mountPath, ReadOnly: readOnly },
        ...(mountPropagation === "HostToContainer" ? { PropagationMode: "host-to-task" } : {}),
        ...(mountPropagation === "Bidirectional" ? { PropagationMode: "bidirectional" } : {}),
      });
      continue;
    }
    if (!runsImages(driver)) throw noMounts(at, driver);
    if (mountPropagation !== undefined) throw refused(`${at}.mountPropagation`, "Nomad has none for such volumes");
    if (mountPath.includes(":")) throw refused(`${at}.mountPath`, "the path must hold no colon");
    const below = subPath === undefined || subPath === "" ? "" : `/${subPath}`;
    if (volume.type === "files" && !templates.has(name)) {
      const fsGroup = spec.securityContext?.fsGroup;
      const made = fileTemplates(volume, { items, fsGroup, field: `spec.volumes[${indexOf(spec, name)}]` });
      templates.set(name, made.templates);
      if (made.isFixed)
        notes.push({
          ...{ eventType: "Warning", reason: "VolumeFixed" },
          message: `volume ${name}: files beyond the 64 KiB of a variable of Nomad keep what they have now`,
        });
    }
    binds.push(`${sourceOf(volume)}${below}:${mountPath}${readOnly || volume.type === "files" ? ":ro" : ""}`);
  }
  // A bind of Podman needs a directory that is there.
  if (driver === "podman")
    for (const { volume } of mounts)
      if (volumes.some(({ name, type }) => name === volume && type === "emptyDir"))
        templates.set(volume, [
          { EmbeddedTmpl: "", DestPath: `\${NOMAD_ALLOC_DIR}/data/vk/${volume}/.vk`, ChangeMode: "noop" },
        ]);
  return { templates: [...templates.values()].flat(), binds, mounts: nomadMounts, notes };
}

/** The same, as far as the spec alone tells. */
export function refuseMounts(
  { volumes = [] }: PodSpec,
  { volumeMounts = [] }: Container,
  driver: Driver,
  field: string,
): void {
  if (runsImages(driver)) return;
  for (const [index, { name }] of volumeMounts.entries())
    if (volumes.find((volume) => volume.name === name)?.csi === undefined)
      throw noMounts(`${field}.volumeMounts[${index}]`, driver);
}

function noMounts(field: string, driver: Driver): VirtualKubeletError {
  return refused(field, `the driver ${driver} has no mounts at paths of one's own: docker and podman have`);
}

function indexOf({ volumes = [] }: PodSpec, name: string): number {
  return volumes.findIndex((each) => each.name === name);
}

/** Relative to the directory of the task. */
function sourceOf(volume: Exclude<ResolvedVolume, { type: "backend" }>): string {
  if (volume.type === "files") return filesDirectory(volume);
  return volume.type === "hostPath" ? volume.path : `../alloc/data/vk/${volume.name}`;
}

/** What the group asks of Nomad. Throws Unsupported, with the field, for what is not allowed here. */
export function groupVolumes(spec: PodSpec, config: Pick<NomadConfig, "volumes">): Record<string, NomadVolumeRequest> {
  const requests: Record<string, NomadVolumeRequest> = {};
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const field = `spec.volumes[${index}]`;
    if (volume.hostPath !== undefined && !isAllowed(volume.hostPath.path, config.volumes.hostPaths))
      throw refused(
        `${field}.hostPath.path`,
        `${volume.hostPath.path} is none of volumes.hostPaths of the configuration (${config.volumes.hostPaths.join(", ") || "empty"})`,
      );
    const request = nomadVolume(volume, field);
    if (request === undefined) continue;
    const allowed = config.volumes[request.Type];
    if (!isAllowed(request.Source, allowed))
      throw refused(
        `${field}.csi.volumeAttributes[source]`,
        `${request.Source} is none of volumes.${request.Type} of the configuration (${allowed.join(", ") || "empty"})`,
      );
    requests[volume.name] = request;
  }
  return requests;
}

function nomadVolume({ name, csi }: Volume, field: string): NomadVolumeRequest | undefined {
  if (csi === undefined) return undefined;
  if (csi.driver !== csiDriver)
    throw refused(`${field}.csi.driver`, `${csi.driver} is no driver here: ${csiDriver} is, for Nomad's own volumes`);
  const { type = "csi", source = "", accessMode, attachmentMode, ...others } = csi.volumeAttributes ?? {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw refused(`${field}.csi.volumeAttributes[${unknown}]`, "known are type, source, accessMode, attachmentMode");
  if (type !== "host" && type !== "csi") throw refused(`${field}.csi.volumeAttributes[type]`, "must be host or csi");
  if (source === "") throw refused(`${field}.csi.volumeAttributes[source]`, "the name of Nomad's volume is required");
  const ReadOnly = csi.readOnly === true;
  const csiOnly = {
    AccessMode: accessMode ?? (ReadOnly ? "single-node-reader-only" : "single-node-writer"),
    AttachmentMode: attachmentMode ?? "file-system",
  };
  return { Name: name, Type: type, Source: source, ReadOnly, ...(type === "csi" ? csiOnly : {}) };
}

function isAllowed(name: string, patterns: readonly string[]): boolean {
  if (name.split("/").includes("..")) return false;
  return patterns.some((pattern) => {
    const parts = pattern.split("*").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`, "s").test(name);
  });
}
