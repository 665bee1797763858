// What the runner is told of a container group: commands, variables, files of volumes, limits. Pure.
import type { RunnerContainer, RunnerGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container, CreateContainerGroupRequest, Volume, VolumeMount } from "../wire.ts";

type RunnerVolume = RunnerGroup["volumes"][number];
type RunnerFiles = NonNullable<RunnerVolume["files"]>;

const defaultMode = 644;

export function runnerGroup(id: string, group: CreateContainerGroupRequest): RunnerGroup {
  const all = [...(group.InitContainer ?? []), ...group.Container];
  const volumes = (group.Volume ?? []).map((volume) => ({ name: volume.Name, files: filesOf(volume) }));
  const parts = all.flatMap(({ VolumeMount: mounts = [] }) => mounts.flatMap((mount) => partOf(mount, volumes)));
  const wholes = [...volumes, ...parts];
  return {
    id,
    containers: all.map(runnerContainer),
    volumes: wholes.filter(({ name }, index) => wholes.findIndex((other) => other.name === name) === index),
  };
}

/** Modes are octal digits, written as a number. */
function modeOf(mode: number): number {
  return Number.parseInt(String(mode), 8);
}

function runnerContainer(container: Container): RunnerContainer {
  const { Name, Image, Command, Arg, EnvironmentVar = [], VolumeMount: mounts = [], Memory } = container;
  const { RunAsUser } = container.SecurityContext ?? {};
  const { SecurityContextRunAsGroup: group } = container;
  const user = RunAsUser === undefined ? undefined : `${RunAsUser}${group === undefined ? "" : `:${group}`}`;
  return {
    ...{ name: Name, image: Image, workingDir: container.WorkingDir, user },
    ...(Command !== undefined && { entrypoint: Command }),
    ...(Arg !== undefined ? { args: Arg } : Command !== undefined ? { args: [] } : {}),
    env: Object.fromEntries(
      EnvironmentVar.flatMap(({ Key, Value, FieldRef }) => (FieldRef === undefined ? [[Key, Value ?? ""]] : [])),
    ),
    addressEnv: EnvironmentVar.flatMap(({ Key, FieldRef }) => (FieldRef === undefined ? [] : [Key])),
    mounts: mounts.map((mount) => ({
      ...{ volume: sourceOf(mount), path: mount.MountPath, readOnly: mount.ReadOnly === true },
    })),
    ...{ tty: container.Tty, stdin: container.Stdin },
    ...(Memory !== undefined && { memoryLimit: Math.round(Memory * 1024 ** 3) }),
  };
}

function sourceOf({ Name, SubPath }: VolumeMount): string {
  return SubPath === undefined ? Name : `${Name}/${SubPath}`;
}

function filesOf({ ConfigFileVolume }: Volume): RunnerFiles {
  const { ConfigFileToPath = [], DefaultMode = defaultMode } = ConfigFileVolume ?? {};
  return ConfigFileToPath.map(({ Path, Content, Mode = DefaultMode }) => ({
    ...{ path: Path, mode: modeOf(Mode), data: Buffer.from(Content, "base64") },
  }));
}

/** The directory that a mount has of a volume, as one of its own; a file of one is there with the volume. */
function partOf(mount: VolumeMount, volumes: readonly RunnerVolume[]): readonly RunnerVolume[] {
  const { SubPath } = mount;
  if (SubPath === undefined) return [];
  const files = volumes.find(({ name }) => name === mount.Name)?.files ?? [];
  if (files.some(({ path }) => path === SubPath)) return [];
  const inside = files.filter(({ path }) => path.startsWith(`${SubPath}/`));
  return [
    {
      name: sourceOf(mount),
      files: inside.map((file) => ({ ...file, path: file.path.slice(SubPath.length + 1) })),
    },
  ];
}
