// New contents of volumes of a running pod: a command for a container that has them mounted, and what it is fed. Pure.
import { posix } from "node:path";
import { type DeliveredVolume, fileDelivery } from "./file-delivery.ts";
import { shellWord } from "./shell-quoting.ts";

export interface VolumeWriteOptions {
  /** Group of the files: the pod's fsGroup. Default 0. */
  readonly gid?: number | undefined;
  /** Files that are there and no longer wanted go, too: for volumes that nobody else writes to. Needs `find`. Default false. */
  readonly prune?: boolean | undefined;
}

export interface VolumeWrite {
  /** Needs /bin/sh, base64, gzip, tar, mkdir, mv and rm. */
  readonly command: readonly string[];
  /** For its stdin: what is in files must not be seen among a process' arguments. */
  readonly input: Buffer;
}

/** Exit code of the command where one of the volumes is not mounted there. */
export const volumeMissing = 44;

const staging = "..virtual-kubelet";

/** Each file is replaced by a rename: who reads it has the old one or the new one. Owners stay where the process may not change them. */
export function volumeWrite(volumes: readonly DeliveredVolume[], options: VolumeWriteOptions = {}): VolumeWrite {
  const { gid, prune = false } = options;
  const staged = volumes.map((volume) => ({ ...volume, path: posix.join(volume.path, staging) }));
  const { variables } = fileDelivery(staged, { variableLimit: 1_000_000, ...(gid !== undefined && { gid }) });
  const paths = staged.map(({ path }) => shellWord(path)).join(" ");
  const script = [
    "set -e",
    "umask 022",
    ...volumes.map(({ path }) => `[ -d ${shellWord(path)} ] || exit ${volumeMissing}`),
    `rm -rf ${paths}`,
    `mkdir -p ${paths}`,
    "base64 -d | gzip -d | tar -xpf - -C /",
    ...volumes.flatMap((volume) => replaceLines(volume, prune)),
  ];
  return {
    command: ["/bin/sh", "-c", script.join("\n")],
    input: Buffer.from(variables.map(({ value }) => value).join("")),
  };
}

function replaceLines({ path, files }: DeliveredVolume, prune: boolean): readonly string[] {
  const directories = [...new Set(files.map((file) => posix.dirname(file.path)))].filter((name) => name !== ".");
  const wanted = files.map((file) => shellWord(`./${file.path}`)).join("|");
  const isWanted = files.length === 0 ? "" : `${wanted}) ;; `;
  return [
    `cd ${shellWord(path)}`,
    ...directories.map((name) => `mkdir -p ${shellWord(`./${name}`)}`),
    ...files.map((file) => `mv -f ${shellWord(`${staging}/${file.path}`)} ${shellWord(`./${file.path}`)}`),
    `rm -rf ${staging}`,
    ...(prune
      ? [`find . -type f | while IFS= read -r file; do case "$file" in ${isWanted}*) rm -f "$file" ;; esac; done`]
      : []),
  ];
}
