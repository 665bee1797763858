// The devices that every container may have, made once for each pod in memory: null, zero, full, random, urandom, tty, shared memory.
import { mkdirSync } from "node:fs";
import { mountsUnder } from "../../host/mounts.ts";
import { runTool } from "../../host/run-tool.ts";

const script = `
set -e
umask 0
mount -t tmpfs -o mode=0755,nosuid,noexec,size=1m tmpfs "$1"
cd "$1"
mknod -m 666 null c 1 3
mknod -m 666 zero c 1 5
mknod -m 666 full c 1 7
mknod -m 666 random c 1 8
mknod -m 666 urandom c 1 9
mknod -m 666 tty c 5 0
ln -s /proc/self/fd fd
ln -s /proc/self/fd/0 stdin
ln -s /proc/self/fd/1 stdout
ln -s /proc/self/fd/2 stderr
ln -s pts/ptmx ptmx
: >termination-log
mkdir -m 755 pts
mkdir -m 755 shm
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=64m tmpfs shm
`;

export async function makeDevices(directory: string): Promise<void> {
  if (mountsUnder(directory).length > 1) return;
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  await runTool("/bin/sh", ["-c", script, "sh", directory]);
}
