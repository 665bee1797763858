// The volumes of a pod: contents of those that the cluster's objects fill, and what the backend has to know of the others.
// Pure over what is known of the cluster.
import { parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod, Volume } from "../kube/types.gen.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { fileOwner } from "./file-owner.ts";
import { kinds } from "./object-kinds.ts";
import { takeProjected } from "./projected-volume.ts";
import type { Findings, Sources } from "./sources.ts";
import { type FilesInput, VolumeFiles } from "./volume-files.ts";

/** Each volume that is known in full; what is wrong with the others is in the findings. */
export function podVolumes(pod: Stored<Pod>, sources: Sources, findings: Findings): readonly ResolvedVolume[] {
  return (pod.spec?.volumes ?? []).flatMap((volume, index) => {
    const resolved = volumeOf(volume, `spec.volumes[${index}]`, pod, sources, findings);
    return resolved === undefined ? [] : [resolved];
  });
}

/** The kubelet's permissions of files where nothing else is said. */
const defaultMode = 0o644;

function volumeOf(
  volume: Volume,
  path: string,
  pod: Stored<Pod>,
  sources: Sources,
  findings: Findings,
): ResolvedVolume | undefined {
  const { name, emptyDir, hostPath, configMap, secret, downwardAPI, projected } = volume;
  if (emptyDir !== undefined) {
    const { medium = "", sizeLimit } = emptyDir;
    return { name, type: "emptyDir", medium, ...sizeLimitOf(sizeLimit) };
  }
  if (hostPath !== undefined) return { name, type: "hostPath", path: hostPath.path, hostPathType: hostPath.type ?? "" };
  const input = (mode: number | undefined): FilesInput => ({
    ...{ pod, volume: name, sources, findings, owner: fileOwner(pod) },
    defaultMode: mode ?? defaultMode,
  });
  let files: VolumeFiles;
  if (configMap !== undefined) {
    files = new VolumeFiles(input(configMap.defaultMode));
    files.takeObject(kinds.configMap, configMap.name ?? "", configMap, `${path}.configMap`);
  } else if (secret !== undefined) {
    files = new VolumeFiles(input(secret.defaultMode));
    files.takeObject(kinds.secret, secret.secretName ?? "", secret, `${path}.secret`);
  } else if (downwardAPI !== undefined) {
    files = new VolumeFiles(input(downwardAPI.defaultMode));
    files.takeFields(downwardAPI.items ?? [], `${path}.downwardAPI`);
  } else if (projected !== undefined) {
    files = new VolumeFiles(input(projected.defaultMode));
    takeProjected(files, projected, `${path}.projected`);
  } else return backendVolume(volume, path, input(undefined));
  return files.isComplete ? { name, type: "files", files: files.list(), memory: configMap === undefined } : undefined;
}

/** What only the backend can bring, with the account that it needs for it. */
function backendVolume(volume: Volume, path: string, input: FilesInput): ResolvedVolume | undefined {
  const { name, azureFile, csi, persistentVolumeClaim } = volume;
  if (persistentVolumeClaim !== undefined) return claimVolume(name, persistentVolumeClaim.claimName, path, input);
  const named = azureFile?.secretName ?? csi?.nodePublishSecretRef?.name ?? csi?.volumeAttributes?.["secretName"] ?? "";
  if (named === "") return { name, type: "backend" };
  const content = new VolumeFiles(input);
  content.takeObject(kinds.secret, named, {}, `${path}.${azureFile === undefined ? "csi" : "azureFile.secretName"}`);
  return content.isComplete ? { name, type: "backend", secret: content.list() } : undefined;
}

function claimVolume(
  name: string,
  claimName: string,
  path: string,
  { pod, sources, findings }: FilesInput,
): ResolvedVolume | undefined {
  const { uid: podUid, namespace = "" } = pod.metadata;
  const seen = sources.claim?.({ podUid, namespace, name: claimName });
  if (seen === undefined) return { name, type: "backend" };
  if (seen.state === "found") return { name, type: "backend", claimed: seen.value };
  if (seen.state === "pending") findings.pending = true;
  else {
    const why = seen.state === "absent" ? `persistentvolumeclaim "${claimName}" not found` : seen.message;
    const message = `MountVolume.SetUp failed for volume "${name}" : ${why}`;
    findings.faults.push({ field: `${path}.persistentVolumeClaim`, reason: "FailedMount", message });
  }
  return undefined;
}

function sizeLimitOf(sizeLimit: string | undefined): { readonly sizeLimit?: number } {
  if (sizeLimit === undefined) return {};
  const bytes = Number(wholeUnits(parseQuantity(sizeLimit)));
  // The API takes 0 for "no limit".
  return bytes > 0 ? { sizeLimit: bytes } : {};
}
