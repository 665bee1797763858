// Files for volumes of a cloud that has no such volumes: packed into environment variables of a helper container, which runs before all
// others and unpacks them into directories that they share. Pure; the same files give the same variables.
import { gzipSync } from "node:zlib";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedFile } from "../resolved-pod.ts";
import { shellWord } from "./shell-quoting.ts";
import { tarArchive } from "./tar-archive.ts";

export interface DeliveredVolume {
  /** Where the helper container has it mounted, absolute. */
  readonly path: string;
  readonly files: readonly ResolvedFile[];
  /** Of the pod, for errors: `spec.volumes[2]`. */
  readonly field: string;
}

export interface DeliveryOptions {
  /** Most characters of one variable's value; default 120 000, about what Linux takes. */
  readonly variableLimit?: number | undefined;
  /** Most characters of all values together; default 1 000 000. */
  readonly totalLimit?: number | undefined;
  /** Variables are called this with a number; default "VK_FILES_". */
  readonly prefix?: string | undefined;
  /** Group of the files: the pod's fsGroup. Default 0. */
  readonly gid?: number | undefined;
}

export interface FileDelivery {
  readonly variables: readonly { readonly name: string; readonly value: string }[];
  /** Some of them came from Secrets or are tokens: the variables have to be kept as such. */
  readonly isSecret: boolean;
  /** For `/bin/sh -c` of the helper, as root: needs base64, gzip and tar, which busybox has. Exits with other than 0 when it fails. */
  readonly script: string;
}

/** Throws Unsupported, with the field of the largest volume, when it is too much. */
export function fileDelivery(volumes: readonly DeliveredVolume[], options: DeliveryOptions = {}): FileDelivery {
  const { variableLimit = 120_000, totalLimit = 1_000_000, prefix = "VK_FILES_", gid = 0 } = options;
  const files = volumes.flatMap(({ path, files: own }) =>
    own.map(({ path: name, mode, uid = 0, data }) => ({
      ...{ path: `${path.replace(/^\/+/, "")}/${name}`, mode, uid, gid, data },
    })),
  );
  const packed = gzipSync(tarArchive(files), { level: 9 });
  // The system it was packed on: unknown, wherever that is.
  packed[9] = 255;
  const text = packed.toString("base64");
  if (text.length > totalLimit) throw tooLarge(volumes, text.length, totalLimit);
  const names: string[] = [];
  const variables: { readonly name: string; readonly value: string }[] = [];
  for (let at = 0; at < text.length; at += variableLimit) {
    const name = `${prefix}${names.length}`;
    names.push(name);
    variables.push({ name, value: text.slice(at, at + variableLimit) });
  }
  const roots = volumes.map(({ path }) => shellWord(path)).join(" ");
  return {
    variables,
    isSecret: volumes.some(({ files: own }) => own.some(({ secret }) => secret)),
    script: [
      "set -e",
      "umask 022",
      ...(volumes.length === 0 ? [] : [`mkdir -p ${roots}`]),
      `printf %s ${names.map((name) => `"$${name}"`).join(" ")} | base64 -d | gzip -d | tar -xpf - -C /`,
      // As a kubelet has them: a container that runs as any user can put new contents in their place.
      ...(volumes.length === 0 ? [] : [`chmod 0777 ${directoriesOf(volumes).map(shellWord).join(" ")}`]),
    ].join("\n"),
  };
}

/** Each volume and all that is below it. */
function directoriesOf(volumes: readonly DeliveredVolume[]): readonly string[] {
  const all = new Set<string>();
  for (const { path, files } of volumes) {
    all.add(path);
    for (const { path: name } of files)
      for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) all.add(`${path}/${name.slice(0, at)}`);
  }
  return [...all];
}

function tooLarge(volumes: readonly DeliveredVolume[], size: number, limit: number): VirtualKubeletError {
  const bytes = ({ files }: DeliveredVolume): number => files.reduce((sum, { data }) => sum + data.length, 0);
  const [largest] = volumes.toSorted((one, other) => bytes(other) - bytes(one));
  const all = volumes.reduce((sum, volume) => sum + bytes(volume), 0);
  return new VirtualKubeletError(
    "Unsupported",
    `the pod's files, ${all} bytes, come to ${size} characters when they are packed; here at most ${limit} can be handed over`,
    { field: largest?.field },
  );
}
