// Runs one of the host's tools (mount, umount, nsenter ...) to its end, with no environment but a safe path.
import { spawn } from "node:child_process";
import { VirtualKubeletError } from "../errors.ts";
import { toolEnvironment } from "./tool-environment.ts";

/**
 * Resolves with its standard output; throws Internal with what it said when it fails, Unavailable when it is not there. `files`:
 * descriptors that it gets as 3, 4 ...
 */
export async function runTool(
  command: string,
  args: readonly string[],
  files: readonly number[] = [],
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(command, [...args], {
    stdio: ["ignore", "pipe", "pipe", ...files],
    env: { ...toolEnvironment },
    cwd: "/",
  });
  const out: Buffer[] = [];
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(0, 1000);
  });
  child.once("error", (cause) => reject(new VirtualKubeletError("Unavailable", `cannot run ${command}`, { cause })));
  child.once("close", (code) => {
    if (code === 0) resolve(Buffer.concat(out).toString());
    else reject(new VirtualKubeletError("Internal", `${command} failed: ${said.trim() || `exit code ${code}`}`));
  });
  return promise;
}
