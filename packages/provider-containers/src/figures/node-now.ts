// The engine's host as a node: what it has, what it keeps to itself, whether it runs short.
import {
  type NodeReport,
  parseQuantity,
  type ResourceRequirements,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import {
  bootId,
  diskFigures,
  hostNow,
  type NodeConfig,
  nodeInfo,
  nodeReport,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineInfo } from "../engine/engine-client.ts";

export function nodeNow(
  engine: EngineInfo,
  config: NodeConfig,
  /** Of this host; undefined: the engine is on another, of which is known what it says itself. */
  directory: string | undefined,
): NodeReport {
  const runtime = `${engine.flavour}://${engine.version}`;
  if (directory === undefined)
    return {
      capacity: {
        cpu: String(engine.cpus),
        memory: `${Math.floor(engine.memory / 1024)}Ki`,
        pods: "110",
        ...config.capacity,
      },
      nodeInfo: {
        ...{ containerRuntimeVersion: runtime, kernelVersion: engine.kernelVersion },
        ...{ osImage: engine.operatingSystem, architecture: engine.architecture },
      },
    };
  const host = hostNow(directory);
  const imageDisk = diskOf(engine.rootDirectory);
  return {
    ...nodeReport({ ...host, imageDisk }, config),
    nodeInfo: nodeInfo(runtime, bootId()),
  };
}

/** Of all pods together: what is reserved they cannot take, not even those without limits. */
export function nodeLimits(
  { capacity, allocatable }: NodeReport,
  reserved: NodeConfig["reserved"] = {},
): ResourceRequirements {
  const [total, kept, cpu] = [capacity?.["memory"], reserved["memory"], allocatable?.["cpu"]];
  return {
    ...(cpu !== undefined && { requests: { cpu } }),
    ...(total !== undefined &&
      kept !== undefined && { limits: { memory: String(wholeUnits(parseQuantity(total) - parseQuantity(kept))) } }),
  };
}

/** undefined where it is not to be seen. */
function diskOf(path: string): ReturnType<typeof diskFigures> | undefined {
  try {
    return path === "" ? undefined : diskFigures(path);
  } catch {
    return undefined;
  }
}
