// Runs a command for the scripts that build and publish, to its end.
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";

export interface CommandOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Resolves with its standard output, the end trimmed; throws Unavailable or Internal that says what it said. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const env = { ...process.env, ...options.env };
  execFile(command, [...args], { cwd: options.cwd, env, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout.trimEnd());
    else if (error.code === "ENOENT")
      reject(new VirtualKubeletError("Unavailable", `${command} is needed and is not on the PATH`));
    else
      reject(
        new VirtualKubeletError("Internal", `${[command, ...args].join(" ")}: ${stderr.trim()}\n${stdout}`.trim()),
      );
  });
  return promise;
}

/**
 * npm on this very Node: on an older one it leaves out, without a word, optional packages that need a newer one. Without what an npm
 * around us says of its own project.
 */
export function npm(args: readonly string[], cwd: string): Promise<string> {
  const foreign = Object.keys(process.env).filter((name) =>
    /^npm_(?!config_)|^npm_config_(local_prefix|loglevel)$/.test(name),
  );
  const path = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  const env = { ...Object.fromEntries(foreign.map((name) => [name, undefined])), PATH: path, NODE_OPTIONS: undefined };
  return runCommand("npm", args, { cwd, env });
}
