// Nothing of a test's engine outlives the test, whether it ends, fails or is killed: a small shell process holds a pipe to us, and
// when that closes it removes all that the engine has made. Where that process was killed too, the next test does it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the engine of a bench has on the machine, beside its directory. */
export interface PodmanTraces {
  readonly bridge: string;
  readonly network: string;
  readonly subnet: string;
  readonly cgroup: string;
  /** Of the subnet, so that no other test takes it. */
  readonly claim: string;
}

export const podmanPrefix = "vk-podman-";

/**
 * $1: directory of the bench. $2: "watch" waits for the end of the input first, "now" does it at once, "crash" too but spares what
 * is on disks. The lock tells that somebody sees to it.
 */
const script = `
trap '' HUP INT TERM QUIT
directory=$1 how=$2 spared=$3 told=
case $how in
  watch) exec 9>"$directory.lock"; flock 9; read -r told ;;
  now) exec 9>"$directory.lock"; flock -n 9 || exit 0 ;;
  crash) told=closed ;;
esac
exec 2>/dev/null
# Somebody else has just done it.
[ -e "$directory/traces" ] || { rm -f "$directory.lock"; exit 0; }
. "$directory/traces"
ids=$(ls "$directory/root/overlay-containers" | grep -E '^[0-9a-f]{64}$')
groups() {
  find /sys/fs/cgroup -depth -type d \\( -path "*/$cgroup" -o -path "*/$cgroup/*" \\)
  [ -n "$ids" ] && find /sys/fs/cgroup -depth -type d -name 'libpod-*' | grep -F "$ids"
}
named() {
  # A program that works for the engine, the monitors of containers, and programs of the test itself.
  grep -laF -e "$directory" /proc/[0-9]*/cmdline | while IFS=/ read -r empty proc pid file; do echo "$pid"; done
  grep -laF -e "$directory/" /proc/[0-9]*/environ | while IFS=/ read -r empty proc pid file; do echo "$pid"; done
  groups | while read -r group; do cat "$group/cgroup.procs"; done
}
sweep() {
  found=
  for pid in $(named); do
    read -r stat <"/proc/$pid/stat" || continue
    set -- \${stat##*) }
    # Our own session, whoever started us, and what is dead already.
    [ "$4" = $$ ] || [ "$pid" = "$owner" ] || [ "$pid" = "$spared" ] || [ "$1" = Z ] && continue
    found=yes
    kill -KILL "$pid"
  done
  [ -n "$found" ]
}
engine() {
  CONTAINERS_CONF=$1 CONTAINERS_REGISTRIES_CONF=$directory/registries.conf timeout -k 1 "$2" \\
    podman --root "$directory/root" --runroot "$directory/run" --tmpdir "$directory/tmp" $3
}
owner=
[ "$told" = closed ] && owner=$PPID
for pid in $(grep -laF -e "$directory/podman.sock" /proc/[0-9]*/cmdline | cut -d/ -f3); do
  read -r stat <"/proc/$pid/stat" && set -- \${stat##*) } && [ "$4" != $$ ] && [ "$pid" != "$owner" ] && [ "$pid" != "$spared" ] && kill -KILL "$pid"
done
# A program that was killed at the same moment may be about to make something: what is there is removed first, then ended.
if [ "$how" != crash ]; then
  [ -n "$ids" ] && engine "$directory/containers.conf" 60 "rm -fa -t 0"
  # The default network cannot be removed, nor can what is remembered of its addresses.
  sed 's/^default_network = .*/default_network = "nothing"/' "$directory/containers.conf" >"$directory/removal.conf"
  engine "$directory/removal.conf" 10 "network rm $network"
fi
ids=$(printf '%s\\n' $ids $(ls "$directory/root/overlay-containers" | grep -E '^[0-9a-f]{64}$') | sort -u)
calm=0 turns=0
[ "$told" = closed ] && enough=1 || enough=3
while [ "$calm" -lt "$enough" ] && [ "$turns" -lt 100 ]; do
  turns=$((turns + 1))
  if sweep; then calm=0; else calm=$((calm + 1)); fi
  [ "$calm" -lt "$enough" ] && sleep 0.1
done
# What the engine could not do any more.
for space in /run/netns/netns-*; do
  [ -e "/sys/class/net/$bridge" ] || break
  nsenter --net="$space" ip -4 -o address | grep -qF " \${subnet%.*}." && umount -l "$space" && rm -f "$space"
done
for port in "/sys/class/net/$bridge/brif"/*; do ip link delete "\${port##*/}"; done
ip link delete "$bridge"
for table in nat filter; do
  chains=$(iptables-save -t $table | grep -F -e " $subnet " | grep -oE 'NETAVARK-(DN-)?[0-9A-F]{13}' | sort -u)
  iptables-save -t $table | grep -e '^-A' | grep -F -e " $subnet " -e "dnat name: $network id:" |
    sed 's/^-A/-D/' | while read -r rule; do eval "iptables -w -t $table $rule"; done
  for chain in $chains; do iptables -w -t $table -F "$chain"; iptables -w -t $table -X "$chain"; done
done
for turn in 1 2 3; do
  while read -r id parent device root point rest; do
    case $point in "$directory"/*) umount -l "$point" ;; esac
  done </proc/self/mountinfo
done
# A process that was killed holds its group until the kernel has taken it apart.
for turn in 1 2 3 4 5 6 7 8 9 10; do
  groups | while read -r group; do rmdir "$group"; done
  [ -z "$(groups)" ] && break
  sleep 0.2
done
for id in $ids; do rm -rf "/run/runc/$id"; done
[ "$how" = crash ] && rm -rf "$directory/run" "$directory/tmp" && exit 0
rm -rf "$claim"
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf --one-file-system -- "$directory" && [ ! -e "$directory" ] && rm -f "$directory.lock" && exit 0
  sleep 0.2
done
`;

function runScript(directory: string, how: "watch" | "now" | "crash", spared = 0): ChildProcess {
  // In a session of its own: what ends the test must not end it.
  const child = spawn("/bin/sh", ["-c", script, "cleanup", directory, how, `${spared}`], {
    ...{ stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" },
  });
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return child;
}

export class PodmanCleanup {
  readonly #directory: string;
  readonly #watcher: ChildProcess;

  constructor(directory: string, traces: PodmanTraces) {
    const owner = `${process.pid} ${startOf(process.pid)}`;
    const lines = Object.entries({ ...traces, owner }).map(([name, value]) => `${name}='${value}'\n`);
    writeFileSync(join(directory, "traces"), lines.join(""));
    this.#directory = directory;
    this.#watcher = runScript(directory, "watch");
  }

  get pid(): number | undefined {
    return this.#watcher.pid;
  }

  /** Leaves of the engine what a host has after it lost its power: what is on disks. */
  async leaveDiskOnly(): Promise<void> {
    const child = runScript(this.#directory, "crash", this.pid);
    child.ref();
    await once(child, "exit");
  }

  /** Does it now; resolves when nothing is left. */
  async close(): Promise<void> {
    if (this.#watcher.exitCode !== null || this.#watcher.signalCode !== null) return;
    const gone = once(this.#watcher, "exit");
    this.#watcher.ref();
    this.#watcher.stdin?.end("closed\n");
    await gone;
  }
}

/** Removes what tests have left that were killed together with what cleans up after them. */
export async function reapStaleBenches(): Promise<void> {
  const directories = globSync(join(tmpdir(), `${podmanPrefix}*`)).filter(isStale);
  // That somebody sees to one of them already is told by its lock.
  await Promise.all(
    directories.map(async (directory) => {
      const child = runScript(directory, "now");
      child.ref();
      await once(child, "exit");
    }),
  );
}

/** Is the test over whose directory this is? */
function isStale(directory: string): boolean {
  try {
    const [, pid = "", began = ""] =
      /^owner='(\d+) (\d+)'$/m.exec(readFileSync(join(directory, "traces"), "utf8")) ?? [];
    return startOf(Number(pid)) !== began;
  } catch {
    // One that begins or ends at this moment, or a lock.
    return false;
  }
}

/** When a process began, in ticks of the machine. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
