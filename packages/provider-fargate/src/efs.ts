// Volumes of Amazon EFS, as pods name them: an nfs volume of a file system's own server, one of its CSI driver, or a claim that is bound to
// either. Pure.
import type { EFSVolumeConfiguration } from "@aws-sdk/client-ecs";
import { type ClaimedVolume, type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

type Volume = NonNullable<NonNullable<Pod["spec"]>["volumes"]>[number];

export const efsDriver = "efs.csi.aws.com";

/** Throws Unsupported or Invalid, with the field, for an nfs or csi volume that is none of EFS; undefined for other types. */
export function efsVolume(volume: Volume, field: string): EFSVolumeConfiguration | undefined {
  const { nfs, csi } = volume;
  if (nfs !== undefined) return fromServer(nfs, `${field}.nfs`);
  if (csi === undefined) return undefined;
  if (csi.driver !== efsDriver)
    throw new VirtualKubeletError("Unsupported", `Fargate mounts volumes of ${efsDriver} alone, not of ${csi.driver}`, {
      field: `${field}.csi.driver`,
    });
  return fromAttributes(csi.volumeAttributes ?? {}, `${field}.csi.volumeAttributes`);
}

/** Of the persistent volume that a claim is bound to. Throws Unsupported or Invalid, with the field of the claim. */
export function claimedEfsVolume(claimed: ClaimedVolume, field: string): EFSVolumeConfiguration {
  const { name, nfs, csi, mountOptions = [] } = claimed;
  if (nfs !== undefined) return fromServer(nfs, field);
  const refused = (message: string): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `persistent volume ${name}: ${message}`, { field });
  if (csi?.driver !== efsDriver)
    throw refused(`Fargate mounts volumes of ${efsDriver} alone, not of ${csi?.driver ?? "its type"}`);
  // Those with a slash are notes of who made it.
  const own = Object.entries(csi.volumeAttributes ?? {}).filter(([key]) => !key.includes("/"));
  const attributes: Record<string, string> = { ...Object.fromEntries(own), volumeHandle: csi.volumeHandle };
  for (const option of mountOptions) {
    const [, point] = /^accesspoint=(.+)$/.exec(option) ?? [];
    if (point !== undefined) attributes["accessPoint"] = point;
    else if (option === "iam") attributes["iam"] = "true";
    else if (option !== "tls") throw refused(`ECS has no mount option ${option}, only tls, iam and accesspoint`);
  }
  return fromAttributes(attributes, field);
}

function fromServer(
  { server, path }: { readonly server: string; readonly path: string },
  field: string,
): EFSVolumeConfiguration {
  const [fileSystemId] = server.split(".");
  if (fileSystemId === undefined || !/^fs-[0-9a-f]+$/.test(fileSystemId) || !/^fs-[0-9a-f]+\.efs\./.test(server))
    throw new VirtualKubeletError(
      "Unsupported",
      `Fargate mounts file systems of EFS alone (fs-0123abcd.efs.REGION...), not of ${server}`,
      {
        field: `${field}.server`,
      },
    );
  return { fileSystemId, rootDirectory: path, transitEncryption: "ENABLED" };
}

/** `volumeHandle` as in persistent volumes of the driver: `fs-1[:/path][:fsap-1]`; or `fileSystemId`, `path`, `accessPoint`. */
function fromAttributes(attributes: Readonly<Record<string, string>>, field: string): EFSVolumeConfiguration {
  const known = ["volumeHandle", "fileSystemId", "path", "accessPoint", "iam", "encryptInTransit"];
  const [foreign] = Object.keys(attributes).filter((key) => !known.includes(key));
  if (foreign !== undefined)
    throw new VirtualKubeletError("Invalid", `is none of ${known.join(", ")}`, { field: `${field}[${foreign}]` });
  const [handle = "", handlePath = "", handlePoint = ""] = (attributes["volumeHandle"] ?? "").split(":");
  const fileSystemId = attributes["fileSystemId"] ?? handle;
  if (!/^fs-[0-9a-f]+$/.test(fileSystemId))
    throw new VirtualKubeletError("Invalid", `"${fileSystemId}" is no file system of EFS, like fs-0123abcd`, {
      field: `${field}.fileSystemId`,
    });
  const path = attributes["path"] ?? handlePath;
  const accessPointId = attributes["accessPoint"] ?? handlePoint;
  if (accessPointId !== "" && path !== "" && path !== "/")
    throw new VirtualKubeletError("Invalid", "with an access point the path is the access point's", {
      field: `${field}.path`,
    });
  const iam = flag(attributes, "iam", field) ?? false;
  const encrypted = flag(attributes, "encryptInTransit", field) ?? true;
  if (!encrypted && (iam || accessPointId !== ""))
    throw new VirtualKubeletError("Invalid", "access points and IAM need encryption in transit", {
      field: `${field}.encryptInTransit`,
    });
  return {
    fileSystemId,
    ...(accessPointId === "" && path !== "" ? { rootDirectory: path } : {}),
    transitEncryption: encrypted ? "ENABLED" : "DISABLED",
    ...(accessPointId === "" && !iam
      ? {}
      : {
          authorizationConfig: {
            ...(accessPointId === "" ? {} : { accessPointId }),
            ...(iam ? { iam: "ENABLED" } : {}),
          },
        }),
  };
}

function flag(attributes: Readonly<Record<string, string>>, key: string, field: string): boolean | undefined {
  const text = attributes[key];
  if (text === undefined) return undefined;
  if (text !== "true" && text !== "false")
    throw new VirtualKubeletError("Invalid", `must be "true" or "false", not "${text}"`, { field: `${field}.${key}` });
  return text === "true";
}
