// The containers provider: the pod engine over containers of Docker or Podman.
import { networkInterfaces } from "node:os";
import {
  type Capabilities,
  type CheckProvider,
  type CreateProvider,
  type DescribeProvider,
  engineCapabilities,
  engineMethods,
  PodEngine,
  type PodFeature,
  type Provider,
  type ProviderInit,
  type VolumeKind,
} from "@virtual-kubelet/virtual-kubelet";
import { admit } from "./admission.ts";
import { containersChecks } from "./check.ts";
import { type ContainersConfig, readContainersConfig } from "./config.ts";
import { ContainersRuntime } from "./containers-runtime.ts";

export const createProvider: CreateProvider = async (init, context) => await createContainersProvider(init, context);

/** Without the engine: what the host enforces (AppArmor) is taken as there. */
export const describeProvider: DescribeProvider = async (init) => {
  const config = await readContainersConfig({ path: init.configPath, object: init.config });
  return {
    capabilities: engineCapabilities(capabilitiesOf(config), true),
    methods: engineMethods,
    admit: (pod) => admit(pod, config, { securityOptions: ["apparmor"] }),
  };
};

export const checkProvider: CheckProvider = async (init, context) => {
  const config = await readContainersConfig({ path: init.configPath, object: init.config });
  return containersChecks(init.node, config, context);
};

/** Throws Invalid with all faults of the configuration, Conflict while another process works on its state directory, Unavailable without an engine. */
export async function createContainersProvider(
  init: Pick<ProviderInit, "node" | "internalIP" | "configPath" | "config" | "log">,
  context: Parameters<CreateProvider>[1],
): Promise<Provider> {
  const config = await readContainersConfig({ path: init.configPath, object: init.config });
  const { node, log } = init;
  const hostIPs = init.internalIP === undefined ? ownAddresses() : [init.internalIP];
  const runtime = await ContainersRuntime.open({ config, node, log, hostIPs }, context);
  return new PodEngine({
    ...{ runtime, node, log },
    hostIPs: () => hostIPs,
    capabilities: capabilitiesOf(config),
    admit: ({ pod }) => admit(pod, config, runtime.engine),
  });
}

/** What a pod may ask for here. */
export function capabilitiesOf(config: ContainersConfig): Capabilities {
  const features: PodFeature[] = [
    ...(["initContainers", "sidecarContainers", "ephemeralContainers", "probes", "lifecycleHooks"] as const),
    ...(["hostPorts", "securityContext", "tty"] as const),
    ...(config.allowHostNamespaces ? (["hostNetwork", "hostPID", "hostIPC"] as const) : []),
    ...(config.allowPrivileged ? (["privileged"] as const) : []),
  ];
  const volumes: VolumeKind[] = [
    ...(["configMap", "downwardAPI", "emptyDir", "projected", "secret"] as const),
    ...(config.hostPaths.length > 0 ? (["hostPath"] as const) : []),
  ];
  return { features, volumes };
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
