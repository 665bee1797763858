// The Nomad provider: CloudProvider over jobs of Nomad.
import { readFile } from "node:fs/promises";
import {
  type Capabilities,
  type CheckProvider,
  type CreateProvider,
  type DescribeProvider,
  errorText,
  type Pod,
  type PodFeature,
  type Provider,
  type ProviderInit,
  type ProviderMethod,
  systemClock,
  VirtualKubeletError,
  type VolumeKind,
} from "@virtual-kubelet/virtual-kubelet";
import { CloudProvider, type CloudProviderOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admittedNotes } from "./admission.ts";
import { nomadChecks } from "./check.ts";
import { type NomadConfig, readNomadConfig } from "./config.ts";
import { runsImages } from "./drivers.ts";
import { HttpNomadClient } from "./http/http-client.ts";
import { NomadBackend } from "./nomad-backend.ts";
import type { NomadClient } from "./nomad-client.ts";

export const createProvider: CreateProvider = async (init) => createNomadProvider(init);

export const describeProvider: DescribeProvider = async (init) => {
  const config = await readNomadConfig({ path: init.configPath, object: init.config });
  return {
    capabilities: { ...capabilitiesOf(config), resolve: true },
    methods,
    admit: (pod: Pod) => {
      admittedNotes(pod, config);
    },
    notes: (pod: Pod) => admittedNotes(pod, config).map(({ message }) => message),
  };
};

export const checkProvider: CheckProvider = async (init, context) => {
  const config = await readNomadConfig({ path: init.configPath, object: init.config });
  await using client = clientOf(config);
  return await nomadChecks(client, config, context);
};

/** Throws Invalid with all faults of the configuration. Calls nothing yet. */
export async function createNomadProvider(
  init: Pick<ProviderInit, "node" | "cluster" | "configPath" | "config" | "log">,
): Promise<Provider> {
  const config = await readNomadConfig({ path: init.configPath, object: init.config });
  return nomadProviderOf(init, config, clientOf(config));
}

/** For tests. */
export interface NomadTiming extends Pick<CloudProviderOptions, "pace" | "consistencyMs"> {
  readonly followEveryMs?: number | undefined;
}

export function nomadProviderOf(
  { node, cluster, log }: Pick<ProviderInit, "node" | "cluster" | "log">,
  config: NomadConfig,
  client: NomadClient,
  { followEveryMs, ...timing }: NomadTiming = {},
): Provider {
  const backend = new NomadBackend({ client, config, cluster, node, log, clock: systemClock, followEveryMs });
  return new CloudProvider({ backend, node, log, capabilities: capabilitiesOf(config), ...timing });
}

export function clientOf(config: NomadConfig): NomadClient {
  const { address, region, namespace, basicAuth, tls, token, tokenFile } = config;
  return new HttpNomadClient({
    ...{ address, region, namespace, basicAuth, tls },
    token: tokenFile === "" ? async () => token : () => tokenIn(tokenFile),
  });
}

async function tokenIn(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    const message = `tokenFile: cannot read ${path}: ${errorText(cause)}`;
    throw new VirtualKubeletError("Unauthorized", message, { cause, field: "tokenFile" });
  }
}

/** What a pod may ask for here. */
export function capabilitiesOf({ allowedDrivers, volumes }: NomadConfig): Capabilities {
  const hasImages = allowedDrivers.some(runsImages);
  const features: PodFeature[] = [
    ...(["initContainers", "sidecarContainers", "probes", "lifecycleHooks", "securityContext"] as const),
    ...(["hostNetwork", "hostPorts"] as const),
    ...(hasImages ? (["privileged", "tty"] as const) : []),
  ];
  const kinds: VolumeKind[] = [
    ...(hasImages ? (["configMap", "downwardAPI", "emptyDir", "projected", "secret"] as const) : []),
    ...(volumes.host.length + volumes.csi.length > 0 ? (["csi"] as const) : []),
    ...(hasImages && volumes.hostPaths.length > 0 ? (["hostPath"] as const) : []),
  ];
  return { features, volumes: kinds };
}

const methods: readonly ProviderMethod[] = [
  ...(["updatePod", "updateVolumes", "stopPod", "watchPods", "watchNode", "ping", "getProbeMetrics"] as const),
  ...(["getContainerLogs", "runInContainer", "portForward", "getStatsSummary"] as const),
];
