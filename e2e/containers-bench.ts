// A containers provider for one test, over an engine of its own: its configuration, its runtime, and pods that it can run.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseContainersConfig } from "../packages/provider-containers/src/config.ts";
import { ContainersRuntime } from "../packages/provider-containers/src/containers-runtime.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { CallContext } from "../packages/virtual-kubelet/src/provider.ts";
import type { PodmanBench } from "./podman.ts";

export const context: CallContext = { signal: new AbortController().signal, log: silentLogger };

/** As in a file. State is inside the directory of the engine, and goes with it. */
export function containersConfig(engine: PodmanBench, change: object = {}): Record<string, unknown> {
  const stateDirectory = join(engine.directory, "state");
  mkdirSync(stateDirectory, { recursive: true, mode: 0o711 });
  return {
    ...{ endpoint: engine.endpoint, stateDirectory, cgroupParent: engine.cgroupParent },
    ...{ allowPrivileged: true, allowHostNamespaces: true, hostPaths: ["/"] },
    ...change,
  };
}

export function openRuntime(engine: PodmanBench, node: string, change: object = {}): Promise<ContainersRuntime> {
  const config = parseContainersConfig(containersConfig(engine, change));
  return ContainersRuntime.open({ config, node, log: silentLogger, hostIPs: ["192.0.2.1"] }, context);
}
