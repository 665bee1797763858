// The container that brings files into volumes before all others of a group run: it has them, in pieces that the cloud's own volumes
// can hold, and puts them together. Pure.
import type { PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { shellWord, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type DeliveredFiles, mostBytes, mostVolumes, sizeOf } from "./volumes.ts";
import type { ConfigFileToPath, InitContainer, Volume } from "./wire.ts";

export const helperContainer = "virtual-kubelet-files";
const sourceRoot = "/virtual-kubelet/source";
const targetRoot = "/virtual-kubelet/target";
const sourceVolume = "virtual-kubelet-files-";

export interface Helper {
  readonly containers: readonly InitContainer[];
  readonly volumes: readonly Volume[];
}

/** None where there is nothing to bring. Throws Unsupported with the field for too much. */
export function helperOf(
  delivered: readonly DeliveredFiles[],
  spec: PodSpec,
  helperImage: string,
  others: number,
): Helper {
  const first = delivered[0];
  if (first === undefined) return { containers: [], volumes: [] };
  const pieces: ConfigFileToPath[][] = [];
  let room = 0;
  const put = (data: Uint8Array): string => {
    if (data.length > room || pieces.length === 0) {
      pieces.push([]);
      room = mostBytes.volume;
    }
    room -= data.length;
    const volume = pieces.length - 1;
    const piece = String(pieces[volume]?.length ?? 0);
    pieces[volume]?.push({ Path: piece, Content: Buffer.from(data).toString("base64"), Mode: 400 });
    return `${sourceRoot}/${volume}/${piece}`;
  };
  const gid = spec.securityContext?.fsGroup ?? 0;
  const lines = ["set -e", "umask 022"];
  for (const { volume, files } of delivered)
    for (const { path, mode, uid = 0, data } of files) {
      const target = `${targetRoot}/${volume}/${path}`;
      const sources = chunks(data).map(put);
      const directory = target.slice(0, target.lastIndexOf("/"));
      lines.push(
        `mkdir -p ${shellWord(directory)}`,
        `cat ${sources.join(" ")} >${shellWord(target)}`,
        `chown ${uid}:${gid} ${shellWord(target)}`,
        `chmod ${mode.toString(8)} ${shellWord(target)}`,
      );
    }
  // As a kubelet has them: a container that runs as any user can put new contents in their place.
  for (const { volume } of delivered)
    lines.push(`find ${shellWord(`${targetRoot}/${volume}`)} -type d -exec chmod 0777 {} +`);
  const script = put(Buffer.from(lines.join("\n")));
  if (others + pieces.length > mostVolumes)
    throw unsupported(
      delivered.toSorted((one, other) => sizeOf(other.files) - sizeOf(one.files))[0]?.field ?? first.field,
      `the pod's files need ${pieces.length} volumes to be brought, and a group has ${mostVolumes} at most`,
    );
  return {
    containers: [
      {
        ...{ Name: helperContainer, Image: helperImage, ImagePullPolicy: "IfNotPresent" },
        Command: ["/bin/sh", script],
        VolumeMount: [
          ...pieces.map((_, index) => ({
            ...{ Name: `${sourceVolume}${index}`, MountPath: `${sourceRoot}/${index}`, ReadOnly: true },
          })),
          ...delivered.map(({ volume }) => ({ Name: volume, MountPath: `${targetRoot}/${volume}` })),
        ],
        SecurityContext: { RunAsUser: 0 },
      },
    ],
    volumes: pieces.map((ConfigFileToPath, index) => ({
      ...{ Name: `${sourceVolume}${index}`, Type: "ConfigFileVolume" },
      ConfigFileVolume: { ConfigFileToPath },
    })),
  };
}

function chunks(data: Uint8Array): readonly Uint8Array[] {
  const count = Math.max(1, Math.ceil(data.length / mostBytes.file));
  return Array.from({ length: count }, (_, index) =>
    data.subarray(index * mostBytes.file, (index + 1) * mostBytes.file),
  );
}
