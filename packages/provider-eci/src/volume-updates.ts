// New contents of volumes of a running pod. The cloud changes its own volumes only with the group; those that a helper brought are
// directories, which a container that can write to them is told to change. Who can is read from the pod.
import {
  errorText,
  isErrorKind,
  type PodRequest,
  type PodSpec,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { type CloudGroup, volumeWrite } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";
import { translatedVolumes } from "./volumes.ts";

export type RunCommand = (container: string, command: readonly string[], input: Buffer) => Promise<number>;

/** Throws Unavailable where it can be done later, Unsupported, with the names, where never. */
export async function updateVolumes(
  group: CloudGroup,
  request: PodRequest,
  volumes: readonly ResolvedVolume[],
  config: EciConfig,
  run: RunCommand,
): Promise<void> {
  const spec: PodSpec = request.pod.spec ?? { containers: [] };
  const delivered = new Set(deliveredNames(spec, request.resolved?.volumes ?? volumes, config));
  const kept: string[] = [];
  const early: string[] = [];
  for (const volume of volumes) {
    if (volume.type !== "files") continue;
    const { name, files } = volume;
    const able = spec.containers.flatMap((container) => {
      const mount = container.volumeMounts?.find((each) => each.name === name && !each.subPath && !each.subPathExpr);
      const state = group.containers.find((each) => each.name === container.name)?.state;
      return mount === undefined ? [] : [{ container: container.name, path: mount.mountPath, state }];
    });
    const running = able.filter(({ state }) => state?.running !== undefined);
    if (!delivered.has(name) || able.length === 0) {
      kept.push(name);
      continue;
    }
    if (running.length === 0) {
      if (able.some(({ state }) => state === undefined || state.waiting !== undefined)) early.push(name);
      else kept.push(name);
      continue;
    }
    const gid = spec.securityContext?.fsGroup;
    const field = `spec.volumes[${(spec.volumes ?? []).findIndex((each) => each.name === name)}]`;
    const faults: string[] = [];
    for (const { container, path } of running) {
      const write = volumeWrite([{ path, files, field }], { prune: true, ...(gid !== undefined && { gid }) });
      try {
        const exitCode = await run(container, write.command, write.input);
        faults.push(exitCode === 0 ? "" : `${container}: exit code ${exitCode}`);
      } catch (error) {
        // An image without a shell; another container of the pod may have one.
        if (!isErrorKind(error, "Unsupported")) throw error;
        faults.push(`${container}: ${errorText(error)}`);
      }
      if (faults.at(-1) === "") break;
    }
    if (!faults.includes("")) kept.push(`${name} (${faults.join("; ")})`);
  }
  if (early.length > 0)
    throw new VirtualKubeletError("Unavailable", `no container runs yet that could write volumes ${early.join(", ")}`);
  if (kept.length > 0)
    throw new VirtualKubeletError(
      "Unsupported",
      `volumes keep what they were created with, which no container could change: ${kept.join(", ")}`,
    );
}

/** Those that were brought when the pod was created, by what it had then. */
function deliveredNames(spec: PodSpec, volumes: readonly ResolvedVolume[], config: EciConfig): readonly string[] {
  return translatedVolumes(spec, volumes, config).delivered.map(({ volume }) => volume);
}
