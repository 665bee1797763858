// Lines of shell that make a container's file system in its own mount namespace: root, devices, volumes, files of the network.
// Pure.
import { shellWord } from "./shell-quote.ts";

export interface BoundMount {
  /** On the host. */
  readonly source: string;
  /** In the container, links resolved. */
  readonly target: string;
  readonly isFile: boolean;
  readonly readOnly: boolean;
}

export interface FileSystemPlan {
  /** Of the run. */
  readonly directory: string;
  /** Directory of the image; undefined: the host's root. */
  readonly image?: string | undefined;
  /** Where the container's root is within the namespace; "" for the host's root. */
  readonly root: string;
  readonly readOnlyRoot: boolean;
  /** Directory with the pod's devices; undefined: the host's own. */
  readonly devices?: string | undefined;
  /** It begins in a terminal of a devpts made for it, which is at /dev/pts then (`ownTerminals`). */
  readonly terminal: boolean;
  readonly ownPids: boolean;
  readonly mounts: readonly BoundMount[];
  /** Kernel's name of the host, in a uts namespace of its own. */
  readonly hostname?: string | undefined;
  /** Directory made where there is none; only in roots of their own. */
  readonly workingDir?: string | undefined;
  /** Directories of the host that the container must not see. */
  readonly hidden: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
}

/** Calls `fail` of the script it is part of. */
export function mountLines(plan: FileSystemPlan): readonly string[] {
  const { root, image, directory } = plan;
  const at = (path: string): string => shellWord(`${root}${path}`);
  const orFail = (command: string, what: string): string => `${command} || fail ${shellWord(`cannot ${what}`)}`;
  const lines: string[] = [];
  const terminals = shellWord(`${directory}/pts`);
  if (plan.devices !== undefined && plan.terminal)
    // Before something else is mounted over it.
    lines.push(orFail(`mkdir -p ${terminals} && mount --bind /dev/pts ${terminals}`, "keep the terminal"));
  if (plan.hostname !== undefined)
    lines.push(orFail(`echo ${shellWord(plan.hostname)} >/proc/sys/kernel/hostname`, "set the hostname"));
  for (const [name, value] of Object.entries(plan.sysctls))
    lines.push(
      orFail(
        `echo ${shellWord(value)} >${shellWord(`/proc/sys/${name.replaceAll(".", "/")}`)}`,
        `set the sysctl ${name}`,
      ),
    );
  if (image !== undefined) {
    const options = `lowerdir=${image},upperdir=${directory}/upper,workdir=${directory}/work`;
    lines.push(
      `mkdir -p ${shellWord(`${directory}/upper`)} ${shellWord(`${directory}/work`)} ${shellWord(root)} && chmod 755 ${shellWord(`${directory}/upper`)} ${shellWord(root)}`,
      orFail(
        `mount -t overlay -o ${shellWord(options)} overlay ${shellWord(root)}`,
        `mount the root directory ${image}`,
      ),
      `mkdir -p ${at("/proc")} ${at("/sys")} ${at("/dev")} ${at("/etc")} ${at("/tmp")}`,
      orFail(`mount -t sysfs -o ro,nosuid,nodev,noexec sysfs ${at("/sys")}`, "mount /sys"),
    );
    if (plan.workingDir !== undefined)
      lines.push(orFail(`mkdir -p ${at(plan.workingDir)}`, "make the working directory"));
  }
  const binds = [...plan.mounts].sort((a, b) => depth(a.target) - depth(b.target));
  if (plan.devices !== undefined) {
    lines.push(
      orFail(`mount --bind ${shellWord(plan.devices)} ${at("/dev")}`, "mount /dev"),
      orFail(`mount --bind ${shellWord(`${plan.devices}/shm`)} ${at("/dev/shm")}`, "mount /dev/shm"),
      orFail(
        plan.terminal ? `mount --bind ${terminals} ${at("/dev/pts")}` : newTerminals(at("/dev/pts")),
        "mount /dev/pts",
      ),
    );
    // Terminals of later commands are made outside of the root, and are to be seen within.
    if (root !== "") lines.push(orFail(`mount --bind ${at("/dev/pts")} /dev/pts`, "mount /dev/pts"));
  } else if (image !== undefined) lines.push(orFail(`mount --rbind /dev ${at("/dev")}`, "mount /dev"));
  for (const bind of binds) lines.push(...bindLines(bind, at(bind.target), orFail));
  // Last of all that is written to: from here on its root is as it will be.
  if (plan.readOnlyRoot && image !== undefined)
    lines.push(orFail(`mount -o remount,bind,ro ${shellWord(root)}`, "make the root read-only"));
  for (const path of plan.hidden)
    lines.push(orFail(`mount -t tmpfs -o ro,size=4k,mode=0 tmpfs ${shellWord(path)}`, `hide ${path}`));
  if (plan.ownPids) lines.push(orFail(`mount -t proc -o nosuid,nodev,noexec proc ${at("/proc")}`, "mount /proc"));
  else if (image !== undefined) lines.push(orFail(`mount --rbind /proc ${at("/proc")}`, "mount /proc"));
  return lines;
}

/** Terminals of its own, unseen by the host's; `path` as a word of shell. */
export function newTerminals(path: string): string {
  return `mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts ${path}`;
}

function bindLines(
  { source, target, isFile, readOnly }: BoundMount,
  at: string,
  orFail: (command: string, what: string) => string,
): readonly string[] {
  const make = isFile
    ? `{ [ -e ${at} ] || { mkdir -p "$(dirname ${at})" && : >${at}; }; }`
    : `{ [ -d ${at} ] || mkdir -p ${at}; }`;
  return [
    orFail(make, `make the mount point ${target}`),
    orFail(`mount --bind ${shellWord(source)} ${at}`, `mount ${target}`),
    ...(readOnly ? [orFail(`mount -o remount,bind,ro ${at}`, `make ${target} read-only`)] : []),
  ];
}

const depth = (path: string): number => path.split("/").filter(Boolean).length;
