// The program with the process provider on a control plane, for tests: what it runs, and that nothing of it is left. Needs root on
// Linux.
import { writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { ControlPlaneOptions } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { ProcessBench } from "../packages/virtual-kubelet/src/testing/process-bench.ts";
import { SemanticsBench } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { processesWith, type SemanticsSubject } from "../packages/virtual-kubelet/src/testing/semantics-subject.ts";
import { type Harness, startHarness } from "./harness.ts";

export class ProcessSubject implements SemanticsSubject {
  readonly bench: ProcessBench;
  readonly flags: readonly string[];
  readonly images = ["registry.example/host:1", "registry.example/host:2"] as const;
  readonly node24 = { image: "registry.example/host:1", path: process.execPath };
  readonly address: string | undefined;

  /** `settings`: of the process provider. */
  constructor(settings: Readonly<Record<string, unknown>> = {}, address?: string) {
    this.address = address;
    this.bench = new ProcessBench({ images: { "*": "host" }, ...settings });
    const file = join(this.bench.directory, "process.yaml");
    writeFileSync(file, JSON.stringify(this.bench.config));
    const own = address === undefined ? [] : ["--node-ip", address, "--kubelet-address", address];
    this.flags = ["--provider", "process", "--provider-config", file, ...own];
  }

  get node(): string {
    return this.bench.node;
  }

  get directory(): string {
    return this.bench.directory;
  }

  /** Containers see the whole machine. */
  pod(spec: PodSpec): PodSpec {
    return spec;
  }

  processesOf({ name, uid }: { readonly name: string; readonly uid: string }): readonly string[] {
    return processesWith({ VKPOD: name, VKTEST: this.directory }, [uid]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench.open();
    await this.bench[Symbol.asyncDispose]();
  }
}

export type ProcessSemantics = SemanticsBench<ProcessSubject, Harness>;

/** `settings`: of the process provider; `args`: of the program. */
export async function startProcesses(
  settings: Readonly<Record<string, unknown>> = {},
  args: readonly string[] = [],
  controlPlane: ControlPlaneOptions = {},
): Promise<ProcessSemantics> {
  await using parts = new AsyncDisposableStack();
  const harness = parts.use(await startHarness(controlPlane));
  const subject = new ProcessSubject(settings);
  // The bench disposes of both, also when it does not start.
  parts.move();
  return SemanticsBench.start(subject, harness, args);
}

/** An address of this machine that an EndpointSlice may hold: not of the loopback. */
export function ownAddress(): string {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = own.find(({ family, internal }) => family === "IPv4" && !internal);
  if (found === undefined) throw new Error("this machine has no IPv4 address but the loopback's");
  return found.address;
}
