// Nothing of a test with real containers outlives it, whether it ends, fails or is killed: a small shell process holds a pipe
// to us, and when that closes it ends every process of the test, unmounts, and deletes its control groups and directory.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";

/**
 * $1: directory of the test, $2: its control group, below the root of each hierarchy, $3: its bridge, if it has one. Containers in namespaces speak of neither
 * in their command line: they are found by control group and by the pids that are written down with each run.
 */
const watcher = `
trap '' HUP INT TERM QUIT
directory=$1 group=$2 bridge=$3
told=
read -r told
state() {
  read -r stat <"/proc/$1/stat" || return 1
  stat=\${stat##*) }
}
named() {
  for file in "$directory"/state/*/pods/*/containers/*/*/pid "$directory"/state/*/pods/*/containers/*/*/claim; do
    [ -e "$file" ] && read -r pid start rest <"$file" || continue
    state "$pid" && set -- $stat && [ "\${20}" = "$start" ] && echo "$pid"
  done
  find /sys/fs/cgroup -path "*/$group/*" -name cgroup.procs -exec cat {} +
  grep -laF -e "$directory" /proc/[0-9]*/cmdline | while IFS=/ read -r empty proc pid file; do echo "$pid"; done
  # What holds an input open, or carries an output, works in the directory of its run.
  find /proc/[0-9]* -maxdepth 1 -name cwd -lname "$directory/*" | while IFS=/ read -r empty proc pid file; do echo "$pid"; done
  set -- -e "VKTEST=$directory"
  for pod in "$directory"/state/*/pods/*; do set -- "$@" -e "VKUBELET_RUN=\${pod##*/}/"; done
  grep -laF "$@" /proc/[0-9]*/environ | while IFS=/ read -r empty proc pid file; do echo "$pid"; done
}
sweep() {
  found=
  for pid in $(named); do
    state "$pid" || continue
    set -- $stat
    # Our own session, and what is dead already.
    [ "$4" = $$ ] || [ "$1" = Z ] && continue
    found=yes
    kill -KILL "$pid"
  done
  [ -n "$found" ]
}
exec 2>/dev/null
calm=0 turns=0
# A program that was killed at the same moment may have been about to start something.
[ "$told" = closed ] && enough=1 || enough=4
while [ "$calm" -lt "$enough" ] && [ "$turns" -lt 200 ]; do
  turns=$((turns + 1))
  if sweep; then calm=0; else calm=$((calm + 1)); fi
  [ "$calm" -lt "$enough" ] && sleep 0.1
done
while read -r id parent device root point rest; do
  case $point in "$directory"/*) umount -l "$point" ;; esac
done </proc/self/mountinfo
for port in "/sys/class/net/$bridge/brif"/*; do ip link delete "\${port##*/}"; done
ip link delete "$bridge"
find /sys/fs/cgroup -depth -type d \\( -path "*/$group" -o -path "*/$group/*" \\) -exec rmdir {} \\;
for attempt in 1 2 3 4 5; do
  rm -rf --one-file-system -- "$directory" && [ ! -e "$directory" ] && exit 0
  sleep 0.2
done
`;

export class ProcessCleanup {
  readonly #watcher: ChildProcess;

  constructor(directory: string, cgroup: string, bridge = "none") {
    // In a session of its own: what ends the test must not end it.
    this.#watcher = spawn("/bin/sh", ["-c", watcher, "cleanup", directory, cgroup, bridge], {
      ...{ stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" },
    });
    this.#watcher.unref();
    const { stdin } = this.#watcher;
    if (stdin instanceof Socket) stdin.unref();
  }

  get pid(): number | undefined {
    return this.#watcher.pid;
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
