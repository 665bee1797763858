// The volumes of a pod as the cloud has them. Files of ConfigMaps, Secrets, the downward API and tokens are files of the cloud's own
// volumes, which are small and stay as they are; where there is a helper, it brings them into an empty one, where they can be changed. Pure.
import type { PodSpec, ResolvedFile, ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ignored, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";
import type { ConfigFileToPath, Volume } from "./wire.ts";

type PodVolume = NonNullable<PodSpec["volumes"]>[number];

/** Bytes that one file, and all of a volume, can have. */
export const mostBytes: { readonly file: number; readonly volume: number } = { file: 32_768, volume: 61_440 };
/** Of a group. */
export const mostVolumes = 20;
/** Bytes of a volume that the helper brings although the cloud could: what is larger is seldom changed. */
const mostRenewed = 256 * 1024;

export interface TranslatedVolumes {
  readonly volumes: readonly Volume[];
  /** What the helper is to bring. */
  readonly delivered: readonly DeliveredFiles[];
  readonly notes: readonly CreateNote[];
}

export interface DeliveredFiles {
  readonly volume: string;
  readonly files: readonly ResolvedFile[];
  /** Of the volume, for errors. */
  readonly field: string;
}

/** Throws Unsupported with the field. */
export function translatedVolumes(
  { volumes: all = [], securityContext }: PodSpec,
  resolved: readonly ResolvedVolume[],
  { helperImage }: Pick<EciConfig, "helperImage">,
): TranslatedVolumes {
  const byName = new Map(resolved.map((volume) => [volume.name, volume]));
  const volumes: Volume[] = [];
  const delivered: DeliveredFiles[] = [];
  const notes: CreateNote[] = [];
  for (const [index, volume] of all.entries()) {
    const field = `spec.volumes[${index}]`;
    const known = byName.get(volume.name);
    if (known?.type !== "files") {
      volumes.push(otherVolume(volume, known, field));
      continue;
    }
    const { files } = known;
    const large = tooLarge(files);
    if (helperImage !== "" && (large !== undefined || holdsToken(volume) || sizeOf(files) <= mostRenewed)) {
      const EmptyDirVolume = known.memory ? { Medium: "Memory" } : {};
      volumes.push({ Name: volume.name, Type: "EmptyDirVolume", EmptyDirVolume });
      delivered.push({ volume: volume.name, files, field });
      continue;
    }
    if (large !== undefined)
      throw unsupported(field, `${large}; with helperImage in the provider's configuration a helper brings it`);
    if (holdsToken(volume))
      notes.push(
        ignored(
          field,
          "a token in the cloud's own volumes is not renewed (helperImage in the provider's configuration has it renewed)",
        ),
      );
    const odd = files.find(({ uid = 0 }) => uid !== 0);
    if (odd !== undefined && securityContext?.runAsUser !== 0)
      notes.push(
        ignored(field, `files belong to root here: ${odd.path} is readable by all users of the pod's containers`),
      );
    volumes.push(
      files.length === 0
        ? { Name: volume.name, Type: "EmptyDirVolume", EmptyDirVolume: {} }
        : {
            Name: volume.name,
            Type: "ConfigFileVolume",
            ConfigFileVolume: { ConfigFileToPath: files.map(configFile) },
          },
    );
  }
  return { volumes, delivered, notes };
}

function configFile({ path, mode, uid = 0, data }: Omit<ResolvedFile, "secret">): ConfigFileToPath {
  // Who was to have it alone is not root, and nobody else can be given it.
  const shown = uid === 0 ? mode : mode | 0o044;
  return { Path: path, Content: Buffer.from(data).toString("base64"), Mode: Number(shown.toString(8)) };
}

function tooLarge(files: readonly ResolvedFile[]): string | undefined {
  const big = files.find(({ data }) => data.length > mostBytes.file);
  if (big !== undefined)
    return `${big.path} has ${big.data.length} bytes, and a file of the cloud's volumes at most ${mostBytes.file}`;
  const sum = sizeOf(files);
  return sum > mostBytes.volume
    ? `its files have ${sum} bytes, and those of one of the cloud's volumes at most ${mostBytes.volume}`
    : undefined;
}

export function sizeOf(files: readonly ResolvedFile[]): number {
  return files.reduce((total, { data }) => total + data.length, 0);
}

/** Does it hold what is renewed while the pod runs? */
function holdsToken({ projected }: PodVolume): boolean {
  return projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined) ?? false;
}

function otherVolume(volume: PodVolume, known: ResolvedVolume | undefined, field: string): Volume {
  const { name: Name, emptyDir, nfs, flexVolume, csi, hostPath } = volume;
  if (emptyDir !== undefined) {
    const { medium = "", sizeLimit } = emptyDir;
    if (medium !== "" && medium !== "Memory")
      throw unsupported(`${field}.emptyDir.medium`, `the cloud has no ${medium}`);
    const limit = known?.type === "emptyDir" ? known.sizeLimit : undefined;
    return {
      ...{ Name, Type: "EmptyDirVolume" },
      EmptyDirVolume: {
        ...(medium === "Memory" && { Medium: "Memory" }),
        ...(limit !== undefined && { SizeLimit: sizeLimit === undefined ? `${limit}` : String(sizeLimit) }),
      },
    };
  }
  if (nfs !== undefined)
    return {
      ...{ Name, Type: "NFSVolume" },
      NFSVolume: { Server: nfs.server, Path: nfs.path, ...(nfs.readOnly === true && { ReadOnly: true }) },
    };
  if (hostPath !== undefined)
    return {
      ...{ Name, Type: "HostPathVolume" },
      HostPathVolume: {
        Path: hostPath.path,
        ...(hostPath.type !== undefined && hostPath.type !== "" && { Type: hostPath.type }),
      },
    };
  if (flexVolume !== undefined) {
    if (flexVolume.secretRef !== undefined)
      throw unsupported(
        `${field}.flexVolume.secretRef`,
        "the cloud takes options alone: a RAM role of the pod gives access",
      );
    const { driver, fsType, options, readOnly } = flexVolume;
    const all = { ...options, ...(readOnly === true && { readonly: "true" }) };
    return {
      ...{ Name, Type: "FlexVolume" },
      FlexVolume: {
        Driver: driver,
        ...(fsType !== undefined && fsType !== "" && { FsType: fsType }),
        ...(Object.keys(all).length > 0 && { Options: JSON.stringify(all) }),
      },
    };
  }
  if (csi !== undefined) return csiVolume(Name, csi, field);
  throw unsupported(field, "the cloud has no such volume");
}

/** Drivers of the vendor's, of volumes that live with the pod. */
export const csiDrivers = { nas: "nasplugin.csi.alibabacloud.com", disk: "diskplugin.csi.alibabacloud.com" } as const;

function csiVolume(Name: string, csi: NonNullable<PodVolume["csi"]>, field: string): Volume {
  const { driver, fsType, readOnly, volumeAttributes: attributes = {} } = csi;
  const wanted = (key: string): string => {
    const value = attributes[key] ?? "";
    if (value === "") throw unsupported(`${field}.csi.volumeAttributes[${key}]`, `is required by ${driver}`);
    return value;
  };
  if (driver === csiDrivers.nas)
    return {
      ...{ Name, Type: "NFSVolume" },
      NFSVolume: {
        Server: wanted("server"),
        Path: attributes["path"] ?? "/",
        ...(readOnly === true && { ReadOnly: true }),
      },
    };
  if (driver === csiDrivers.disk)
    return {
      ...{ Name, Type: "DiskVolume" },
      DiskVolume: { DiskId: wanted("diskId"), ...(fsType !== undefined && fsType !== "" && { FsType: fsType }) },
    };
  throw unsupported(
    `${field}.csi.driver`,
    `the cloud has ${Object.values(csiDrivers).join(" and ")} here, not ${driver}`,
  );
}
