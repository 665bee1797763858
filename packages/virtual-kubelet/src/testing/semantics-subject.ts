// What the scenarios of pods need to run on a provider: the provider on this machine, and a control plane.
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { KubeClient } from "../kube/client.ts";
import { connect } from "../kube/connect.ts";
import type { PodSpec } from "../kube/types.gen.ts";
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "./control-plane.ts";
import { type ManagedProcess, ProcessGroup } from "./processes.ts";
import { startProgram } from "./program-process.ts";

/** A provider on this machine, ready to run the scenarios. Disposed of when all of them are over: nothing may be left then. */
export interface SemanticsSubject extends AsyncDisposable {
  /** Name of its node. */
  readonly node: string;
  /** Of the program: the provider and its configuration, `["--provider", "./provider.js", "--provider-config", file]`. */
  readonly flags: readonly string[];
  /** On this machine; containers see it by the same path, with `pod`. */
  readonly directory: string;
  /** Names of two images with a POSIX shell and the usual tools in /bin. */
  readonly images: readonly [string, string];
  /** How Node.js is run in a container: an image, and the path of the program there. */
  readonly node24: { readonly image: string; readonly path: string };
  /** Of pods that have no address of their own: the one that all have, not of the loopback. */
  readonly address?: string | undefined;
  /** Lets the containers of a pod see the directory. */
  pod(spec: PodSpec): PodSpec;
  /** Pid and command of all that runs of a pod, be it a hook's or a grandchild. */
  processesOf(pod: { readonly name: string; readonly uid: string }): readonly string[];
}

/** Where a bench runs: of one's own, or of a test that has more to do with it. */
export interface SemanticsHost extends AsyncDisposable {
  readonly cluster: ControlPlane;
  readonly client: KubeClient;
  program(args: readonly string[]): Promise<ManagedProcess>;
}

/** A control plane of one's own, and programs that end with it. */
export async function startSemanticsHost(options: ControlPlaneOptions = {}): Promise<SemanticsHost> {
  const cluster = await startControlPlane(options);
  const client = await connect({ kubeconfig: cluster.kubeconfig });
  const processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-semantics-" });
  let programs = 0;
  return {
    cluster,
    client,
    program: (args) => startProgram(processes, `virtual-kubelet-${++programs}`, cluster.kubeconfig, args),
    async [Symbol.asyncDispose]() {
      await processes.close();
      await client.close();
      await cluster.stop();
    },
  };
}

/**
 * What runs on this machine with all of these in its environment, or with one of the words in its command line or control group:
 * "pid command". Zombies are not told.
 */
export function processesWith(
  environment: Readonly<Record<string, string>>,
  words: readonly string[] = [],
): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    const read = (file: string): string => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, "latin1");
      } catch {
        return "";
      }
    };
    const held = `\0${read("environ")}`;
    const marked = Object.entries(environment).every(([name, value]) => held.includes(`\0${name}=${value}\0`));
    const command = read("cmdline").replaceAll("\0", " ");
    const groups = read("cgroup");
    const ours = marked || words.some((word) => command.includes(word) || groups.includes(word));
    return ours && !/^\d+ \(.*\) [ZX]/s.test(read("stat")) ? [`${pid} ${command}`] : [];
  });
}
