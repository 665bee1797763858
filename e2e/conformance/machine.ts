// A machine of its own for a run: namespaces of processes, mounts and networks. With its first process all of it is gone:
// containers, mounts, networks, rules of the firewall. Only control groups and files are the host's.
import { existsSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The machine's address beside the loopback, which the API server would refuse for a node. */
export const machineAddress = "10.99.0.1";

/** What engines and their tools keep in common places by fixed names. */
const ownDirectories = ["/run/netns", "/run/runc", "/run/libpod", "/run/containers", "/dev/shm"];

const setUp = `
mount --make-rshared /
for directory in ${ownDirectories.join(" ")}; do
  mkdir -p "$directory"
  mount -t tmpfs -o mode=1777 tmpfs "$directory"
done
ip link set lo up
ip address add ${machineAddress}/32 dev lo
`;

/**
 * Command line that runs the given one in there, as root. The shell stays: the first process of such a namespace has to
 * take what others leave behind. It ends with its parent, and with it all the rest.
 */
export function inMachine(command: readonly string[]): readonly string[] {
  const unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
  return [...unshare, "sh", "-euc", `${setUp}\n"$@" || exit $?\nexit 0`, "sh", ...command];
}

const controlGroups = "/sys/fs/cgroup";

/** For the node and its pods' control groups; tells whose run it is. */
export const nodeName = `conformance-${process.pid}`;

/** Removes the control groups of our node, and those of runs that were killed, with all below, wherever a hierarchy has them. */
export async function removeControlGroups(): Promise<void> {
  for (const hierarchy of ["", ...(await namesIn(controlGroups))]) {
    const parent = join(controlGroups, hierarchy);
    const abandoned = (await namesIn(parent)).filter((name) => name === nodeName || isOfTheDead(name));
    for (const name of abandoned) await removeGroup(join(parent, name));
  }
}

function isOfTheDead(name: string): boolean {
  const pid = /^conformance-(\d+)$/.exec(name)?.[1];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}

async function removeGroup(path: string): Promise<void> {
  for (const name of await namesIn(path)) await removeGroup(join(path, name));
  // The kernel takes a moment to let go of a group whose last process was killed.
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      const busy = error instanceof Error && "code" in error && error.code === "EBUSY";
      if (!busy) return;
      await sleep(100);
    }
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}
