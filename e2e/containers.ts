// The program with the containers provider over an engine of the test, on a control plane: what it runs, and that nothing of it is
// left. Needs root on Linux.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseContainersConfig } from "../packages/provider-containers/src/config.ts";
import { ContainersRuntime } from "../packages/provider-containers/src/containers-runtime.ts";
import { mountsUnder } from "../packages/virtual-kubelet/src/host/mounts.ts";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import type { Container, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { ControlPlaneOptions } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { SemanticsBench } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { processesWith, type SemanticsSubject } from "../packages/virtual-kubelet/src/testing/semantics-subject.ts";
import { RootDirectory } from "./conformance/root-directory.ts";
import { eventually, type Harness, startHarness } from "./harness.ts";
import { PodmanBench } from "./podman.ts";

const nodeImage = "registry.example/node:24";

export interface ContainersSubjectOptions {
  /** Of the containers provider, over those of the test. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
  /** With an image that has Node.js: some seconds more. */
  readonly withNode?: boolean | undefined;
  readonly registries?: readonly string[] | undefined;
}

export class ContainersSubject implements SemanticsSubject {
  readonly podman: PodmanBench;
  readonly node = "node-a";
  /** Of the provider. */
  readonly stateDirectory: string;
  /** Containers see it. */
  readonly directory: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly flags: readonly string[];
  readonly images = ["registry.example/host:1", "registry.example/host:2"] as const;
  readonly node24 = { image: nodeImage, path: "/bin/node" };

  private constructor(podman: PodmanBench, settings: Readonly<Record<string, unknown>>) {
    this.podman = podman;
    this.directory = join(podman.directory, "shared");
    this.stateDirectory = join(podman.directory, "state");
    mkdirSync(this.directory);
    this.config = {
      endpoint: podman.endpoint,
      stateDirectory: this.stateDirectory,
      cgroupParent: podman.cgroupParent,
      hostPaths: [this.directory],
      ...settings,
    };
    const file = join(podman.directory, "containers.yaml");
    writeFileSync(file, JSON.stringify(this.config));
    this.flags = ["--provider", "containers", "--provider-config", file];
  }

  static async start(options: ContainersSubjectOptions = {}): Promise<ContainersSubject> {
    const podman = await PodmanBench.start({
      registries: options.registries,
      images: ["registry.example/host:1", "registry.example/host:2"],
    });
    try {
      if (options.withNode === true) await importNode(podman);
      return new ContainersSubject(podman, options.settings ?? {});
    } catch (error) {
      await podman[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets all containers of the pod see the directory. */
  pod(spec: PodSpec): PodSpec {
    const see = (container: Container): Container => ({
      ...container,
      volumeMounts: [...(container.volumeMounts ?? []), { name: "shared", mountPath: this.directory }],
    });
    const { containers, initContainers, volumes = [] } = spec;
    return {
      ...spec,
      containers: containers.map(see),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(see) }),
      volumes: [...volumes, { name: "shared", hostPath: { path: this.directory, type: "Directory" } }],
    };
  }

  processesOf({ name, uid }: { readonly name: string; readonly uid: string }): readonly string[] {
    // Podman keeps what watched over a command in a container for a while, in case somebody asks how that ended.
    return processesWith({ VKPOD: name, VKTEST: this.directory }, [uid]).filter(
      (command) => !/^\d+ \S*conmon .* --exec-attach /.test(command),
    );
  }

  /** IDs of the containers in the engine that are ours, infra containers included. */
  async ownContainers(): Promise<readonly string[]> {
    const filter = "label=io.virtual-kubelet.containers.node";
    const out = await this.podman.podman("ps", "--all", "--quiet", "--no-trunc", "--filter", filter);
    return out.split("\n").filter((id) => id !== "");
  }

  /** What is there of pods: none may be when all are deleted. */
  async leftovers(): Promise<readonly string[]> {
    return [...(await this.ownContainers()), ...mountsUnder(this.stateDirectory)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#removePods();
    } finally {
      await this.podman[Symbol.asyncDispose]();
    }
  }

  /** Of a test that has ended early, or keeps pods. */
  async #removePods(): Promise<void> {
    const context = { signal: AbortSignal.timeout(300_000), log: silentLogger };
    const config = parseContainersConfig(this.config);
    const options = { config, node: this.node, log: silentLogger, hostIPs: ["192.0.2.1"] };
    await using runtime = await ContainersRuntime.open(options, context);
    for (const { owner } of await runtime.list(context)) await runtime.removeSandbox(owner.uid, context);
    let left: readonly string[] = [];
    await eventually("nothing of the pods is left", 20_000, async () => {
      left = await this.leftovers();
      return left.length === 0;
    }).catch(() => assert.fail(`left of pods: ${left.join("; ")}`));
  }
}

export type ContainersSemantics = SemanticsBench<ContainersSubject, Harness>;

/** `args`: of the program. */
export async function startContainers(
  options: ContainersSubjectOptions = {},
  args: readonly string[] = [],
  controlPlane: ControlPlaneOptions = {},
): Promise<ContainersSemantics> {
  await using parts = new AsyncDisposableStack();
  const harness = parts.use(await startHarness(controlPlane));
  const subject = await ContainersSubject.start(options);
  // The bench disposes of both, also when it does not start.
  parts.move();
  return SemanticsBench.start(subject, harness, args);
}

async function importNode(podman: PodmanBench): Promise<void> {
  const root = await RootDirectory.withShell(join(podman.directory, "image-with-node"));
  await root.program(process.execPath, "/bin/node");
  const libraries = await runTool("ldd", [process.execPath]);
  for (const [, library] of libraries.matchAll(/(\/\S+) \(0x/g))
    if (library !== undefined) await root.program(library, library);
  await podman.importImage(nodeImage, [], root.path);
}
