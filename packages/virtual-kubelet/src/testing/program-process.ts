// The program as a process of its own, for tests.
import { extname, join } from "node:path";
import type { ManagedProcess, ProcessGroup } from "./processes.ts";

const quiet: Readonly<Record<string, string>> = {
  "--metrics-addr": "0",
  "--kubelet-address": "127.0.0.1",
  "--kubelet-port": "0",
  "--node-ip": "127.0.0.1",
};

/**
 * Starts the program from where this file is. `kill("SIGTERM")` ends it. On loopback, with a free port for the kubelet API and
 * without metrics, unless the arguments say otherwise.
 */
export function startProgram(
  group: ProcessGroup,
  name: string,
  kubeconfig: string,
  args: readonly string[],
): Promise<ManagedProcess> {
  const kind = extname(import.meta.filename);
  const main = join(import.meta.dirname, "..", `main${kind}`);
  const options = kind === ".ts" ? ["--conditions=source"] : [];
  const defaults = Object.entries(quiet).filter(
    ([flag]) => !args.some((arg) => arg === flag || arg.startsWith(`${flag}=`)),
  );
  return group.start(name, process.execPath, [
    ...options,
    ...[main, "--kubeconfig", kubeconfig],
    ...defaults.flat(),
    ...args,
  ]);
}
