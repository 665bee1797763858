// `virtual-kubelet plan` as its user runs it, in a process of its own.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";

export interface PlanOptions {
  /** Its name on the command line. */
  readonly provider: string;
  /** File name and text of its configuration. */
  readonly config: { readonly name: string; readonly text: string };
  /** YAML documents: the pods, and what they refer to. */
  readonly pods: string;
  /** Beside the PATH. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** All that it writes; it fails where a pod does not fit, and says so there. */
export async function planOutput({ provider, config, pods, env = {} }: PlanOptions): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-plan-"));
  try {
    await writeFile(join(directory, "pods.yaml"), pods);
    await writeFile(join(directory, config.name), config.text);
    const main = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);
    const flags = ["-f", "pods.yaml", "--provider", provider, "--provider-config", config.name, "--nodename", "vk"];
    const { promise, resolve } = Promise.withResolvers<string>();
    execFile(
      process.execPath,
      [...process.execArgv.filter((flag) => flag.startsWith("--conditions")), main, "plan", ...flags],
      { env: { PATH: process.env["PATH"] ?? "", ...env }, cwd: directory },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
    return await promise;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
