// The volumes of a pod as the cloud has them. Files of ConfigMaps, Secrets, the downward API and tokens become volumes of type secret;
// with a helper container they are brought into an empty one, which alone holds directories and modes, and can change while the pod runs.
// Pure.
import type { PodSpec, ResolvedFile, ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ignored, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import type { VolumePart } from "./mounts.ts";
import type { Volume } from "./wire.ts";

type PodVolume = NonNullable<PodSpec["volumes"]>[number];

export interface TranslatedVolumes {
  readonly volumes: readonly Volume[];
  /** What the helper is to bring, by volume. */
  readonly delivered: ReadonlyMap<string, DeliveredFiles>;
  readonly notes: readonly CreateNote[];
}

export interface DeliveredFiles {
  readonly files: readonly ResolvedFile[];
  /** Of the volume, for errors. */
  readonly field: string;
}

const defaultMode = 0o644;

export interface VolumesInput {
  readonly spec: PodSpec;
  readonly namespace: string;
  readonly resolved: readonly ResolvedVolume[];
  /** Names of those that are mounted as a whole. */
  readonly mounted: ReadonlySet<string>;
  readonly parts: readonly VolumePart[];
  readonly config: Pick<AciConfig, "helperImage">;
}

/** Throws Unsupported with the field. */
export function translatedVolumes(input: VolumesInput): TranslatedVolumes {
  const { spec, namespace, resolved, mounted, parts, config } = input;
  const byName = new Map(resolved.map((volume) => [volume.name, volume]));
  const volumes: Volume[] = [];
  const delivered = new Map<string, DeliveredFiles>();
  const notes: CreateNote[] = [];
  let room = mostChanging;
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const path = `spec.volumes[${index}]`;
    const known = byName.get(volume.name);
    if (known?.type !== "files") {
      const made = otherVolume(volume, known, path, namespace);
      volumes.push(made.volume);
      notes.push(...made.notes);
      continue;
    }
    const whole = mounted.has(volume.name) ? [{ name: volume.name, files: known.files, changes: true }] : [];
    const rest = parts.filter(({ of }) => of === volume.name).map((part) => ({ ...part, changes: false }));
    for (const { name, files, changes } of [...whole, ...rest]) {
      const why = needsHelper(volume, files, path);
      const fits = changes && bytesOf(files) <= room;
      if (config.helperImage !== "" && (why !== undefined || fits)) {
        if (why === undefined) room -= bytesOf(files);
        volumes.push({ name, emptyDir: {} });
        delivered.set(name, { files, field: path });
        continue;
      }
      if (why?.isFinal === true) throw unsupported(why.field, `${why.message}: ${helperHint}`);
      if (why !== undefined) notes.push(ignored(why.field, why.message));
      volumes.push(files.length === 0 ? { name, emptyDir: {} } : { name, secret: contentOf(files) });
    }
  }
  return { volumes, delivered, notes };
}

/**
 * Bytes of all volumes that the helper brings only because they may change: a helper is handed only so much. The rest is left to the
 * cloud's own volumes, and stays as it is.
 */
const mostChanging = 256 * 1024;

function bytesOf(files: readonly ResolvedFile[]): number {
  return files.reduce((sum, { data }) => sum + data.length, 0);
}

export const helperHint = "only with helperImage in the provider's configuration";

export function noDirectories(path: string): string {
  return `the cloud's volumes have no directories (${path})`;
}

interface HelperReason {
  readonly field: string;
  readonly message: string;
  /** Without a helper the pod cannot run. */
  readonly isFinal: boolean;
}

function needsHelper(volume: PodVolume, files: readonly ResolvedFile[], path: string): HelperReason | undefined {
  const nested = files.find((file) => file.path.includes("/"));
  if (nested !== undefined) return { field: path, message: noDirectories(nested.path), isFinal: true };
  if (holdsToken(volume))
    return { field: path, message: "a token in the cloud's own volumes is not renewed", isFinal: false };
  const odd = files.find(({ mode, uid }) => mode !== defaultMode || uid !== undefined);
  if (odd === undefined) return undefined;
  const mode = odd.mode.toString(8).padStart(4, "0");
  return {
    field: path,
    message: `the cloud's volumes keep no modes and owners (${odd.path}: ${mode})`,
    isFinal: false,
  };
}

/** Does it hold what is renewed while the pod runs? */
function holdsToken({ projected }: PodVolume): boolean {
  return projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined) ?? false;
}

export function contentOf(files: readonly ResolvedFile[]): Readonly<Record<string, string>> {
  return Object.fromEntries(files.map(({ path, data }) => [path, Buffer.from(data).toString("base64")]));
}

function otherVolume(
  volume: PodVolume,
  known: ResolvedVolume | undefined,
  path: string,
  namespace: string,
): { readonly volume: Volume; readonly notes: readonly CreateNote[] } {
  const { name, emptyDir, azureFile, csi, gitRepo } = volume;
  const secret = known?.type === "backend" ? (known.secret ?? []) : [];
  if (emptyDir !== undefined) {
    const notes = [
      ...(emptyDir.medium === undefined || emptyDir.medium === ""
        ? []
        : [ignored(`${path}.emptyDir.medium`, "the cloud keeps it on the group's disk")]),
      ...(emptyDir.sizeLimit === undefined
        ? []
        : [ignored(`${path}.emptyDir.sizeLimit`, "the cloud limits no volumes")]),
    ];
    return { volume: { name, emptyDir: {} }, notes };
  }
  if (azureFile !== undefined) {
    const { shareName, readOnly = false } = azureFile;
    const account = accountOf(secret, `${path}.azureFile.secretName`);
    return { volume: { name, azureFile: { shareName, ...(readOnly && { readOnly }), ...account } }, notes: [] };
  }
  if (csi !== undefined) {
    const { driver, readOnly = false, volumeAttributes = {} } = csi;
    if (driver !== "file.csi.azure.com")
      throw unsupported(`${path}.csi.driver`, `the cloud has file.csi.azure.com alone, not ${driver}`);
    const { shareName = "", secretNamespace = "", mountOptions = "" } = volumeAttributes;
    const attribute = `${path}.csi.volumeAttributes`;
    if (shareName === "") throw unsupported(`${attribute}[shareName]`, "is required");
    if (secret.length === 0) throw unsupported(`${attribute}[secretName]`, "is required: the account of the share");
    if (secretNamespace !== "" && secretNamespace !== namespace)
      throw unsupported(`${attribute}[secretNamespace]`, "must be the pod's own namespace");
    const account = accountOf(secret, `${attribute}[secretName]`);
    const notes = mountOptions === "" ? [] : [ignored(`${attribute}[mountOptions]`, "the cloud mounts in its own way")];
    return { volume: { name, azureFile: { shareName, ...(readOnly && { readOnly }), ...account } }, notes };
  }
  if (gitRepo !== undefined) {
    const { repository, directory, revision } = gitRepo;
    const repo = { repository, ...(directory && { directory }), ...(revision && { revision }) };
    return { volume: { name, gitRepo: repo }, notes: [] };
  }
  throw unsupported(path, "the cloud has no such volume");
}

function accountOf(
  secret: readonly ResolvedFile[],
  field: string,
): { readonly storageAccountName: string; readonly storageAccountKey: string } {
  const value = (key: string): string => {
    const data = secret.find(({ path }) => path === key)?.data;
    if (data === undefined || data.length === 0) throw unsupported(field, `the Secret has no key ${key}`);
    return Buffer.from(data).toString("utf8").trim();
  };
  return {
    storageAccountName: value("azurestorageaccountname"),
    storageAccountKey: value("azurestorageaccountkey"),
  };
}
