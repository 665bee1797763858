// The process provider: the pod engine over containers that are processes of this host. To be named explicitly, and says at its
// start what it does not isolate.
import { networkInterfaces } from "node:os";
import { hookRunner } from "../../engine/hook-run.ts";
import { engineCapabilities, engineMethods, PodEngine } from "../../engine/pod-engine.ts";
import { ContainerProbes } from "../../engine/probe-manager.ts";
import { errorText, VirtualKubeletError } from "../../errors.ts";
import { hostNow, nodeReport } from "../../host/node-report.ts";
import type { Pod } from "../../kube/types.gen.ts";
import type { Capabilities, PodFeature, VolumeKind } from "../../provider/capabilities.ts";
import type { CheckProvider, CreateProvider, DescribeProvider, Provider, ProviderInit } from "../../provider.ts";
import { processChecks } from "./check.ts";
import { type ProcessConfig, readProcessConfig } from "./config.ts";
import { ImageMap } from "./image-map.ts";
import { ProcessRuntime } from "./process-runtime.ts";

/** Named by probes and hooks to what they call. */
const kubernetesVersion = "1.36";

export const createProvider: CreateProvider = async (init) => await createProcessProvider(init);

/** The host that it runs on is asked for its size; nothing is made there. */
export const describeProvider: DescribeProvider = async (init) => {
  const config = await readProcessConfig({ path: init.configPath, object: init.config });
  checkHost(init.operatingSystem, config);
  return {
    capabilities: engineCapabilities(capabilitiesOf(config, process.getuid?.() === 0), true),
    methods: engineMethods,
    node: nodeReport(hostNow("/"), config),
    admit: (pod) => checkImages(pod, config),
  };
};

export const checkProvider: CheckProvider = async (init) => {
  const config = await readProcessConfig({ path: init.configPath, object: init.config });
  checkHost(init.operatingSystem, config);
  return processChecks(init.node, config);
};

/** Throws Invalid with all faults of the configuration, Conflict while another process works on its state directory. */
export async function createProcessProvider(
  init: Pick<ProviderInit, "node" | "internalIP" | "configPath" | "config" | "operatingSystem" | "log">,
): Promise<Provider> {
  const config = await readProcessConfig({ path: init.configPath, object: init.config });
  checkHost(init.operatingSystem, config);
  const { node, log } = init;
  const hostIPs = init.internalIP === undefined ? ownAddresses() : [init.internalIP];
  const runtime = await ProcessRuntime.open({ config, node, log, hostIPs });
  log.warn({ isolation: config.isolation }, notIsolated(config, runtime.hasCgroups));
  return new PodEngine({
    ...{ runtime, node, log },
    hostIPs: () => hostIPs,
    capabilities: capabilitiesOf(config, process.getuid?.() === 0),
    probes: (listener) => new ContainerProbes({ listener, log, kubernetesVersion }),
    runHook: hookRunner({ kubernetesVersion }),
  });
}

/** Throws the first one's error, with its field. At run time it is no refusal: the pod waits with ErrImagePull. */
function checkImages({ spec }: Pod, { images }: ProcessConfig): void {
  const map = new ImageMap(Object.fromEntries(Object.keys(images).map((name) => [name, {}])));
  for (const list of ["initContainers", "containers"] as const)
    for (const [index, { image = "" }] of (spec?.[list] ?? []).entries())
      try {
        map.get(image);
      } catch (error) {
        const field = `spec.${list}[${index}].image`;
        throw new VirtualKubeletError("Unsupported", errorText(error), { field, reason: "ErrImagePull", cause: error });
      }
}

function checkHost(operatingSystem: string, config: ProcessConfig): void {
  const root = process.getuid?.() === 0;
  const faults = [
    ...(process.platform === "linux" && operatingSystem === "linux" ? [] : ["it runs on Linux alone"]),
    ...(config.isolation === "namespaces" && !root ? ['isolation "namespaces" needs root; "none" does not'] : []),
    ...(config.cgroups === "required" && !root ? ['cgroups "required" needs root'] : []),
    ...(config.user.uid === 0 && !config.allowRoot ? ["user.uid 0 needs allowRoot"] : []),
  ];
  if (faults.length > 0)
    throw new VirtualKubeletError("Invalid", `the process provider cannot run here: ${faults.join("; ")}`);
}

/** What a pod may ask for here. */
export function capabilitiesOf(config: ProcessConfig, root: boolean): Capabilities {
  const namespaces = config.isolation === "namespaces";
  const features: PodFeature[] = [
    ...(["initContainers", "sidecarContainers", "ephemeralContainers", "probes", "lifecycleHooks"] as const),
    ...(["hostNetwork", "hostPID", "hostIPC", "hostPorts", "securityContext", "tty"] as const),
    ...(config.allowPrivileged && root ? (["privileged"] as const) : []),
  ];
  const volumes: VolumeKind[] = [
    ...(namespaces ? (["configMap", "downwardAPI", "emptyDir", "projected", "secret"] as const) : []),
    ...(config.hostPaths.length > 0 ? (["hostPath"] as const) : []),
  ];
  return { features, volumes };
}

function notIsolated(config: ProcessConfig, cgroups: boolean): string {
  const shared = [
    `containers are processes of this host and share its kernel, ${config.network === "host" ? "network " : ""}and users`,
    ...(config.isolation === "none" ? ["its process ids, files and host name"] : []),
    ...(cgroups ? [] : ["its cpu and memory without any limit"]),
    ...(config.allowRoot ? ["and may be root"] : []),
  ];
  return `${shared.join(", ")}: run no pods that you do not trust`;
}

/** Of this host, IPv4 first; the loopback alone when it has no other. */
function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const of = (family: string): readonly string[] =>
    outer
      .filter((each) => each.family === family)
      .slice(0, 1)
      .map(({ address }) => address);
  const found = [...of("IPv4"), ...of("IPv6")];
  return found.length > 0 ? found : ["127.0.0.1"];
}
