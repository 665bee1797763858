// The ECI provider: container groups of Elastic Container Instance behind the core's provider for clouds.
import { readFile } from "node:fs/promises";
import {
  type CallContext,
  type Capabilities,
  type CheckProvider,
  type CreateProvider,
  type DescribeProvider,
  errorText,
  type Pod,
  type Provider,
  type ProviderInit,
  type ProviderMethod,
  systemClock,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { CallBudget, CloudProvider, type CloudProviderOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admittedNotes } from "./admission.ts";
import { keySource } from "./api/credentials.ts";
import { RestClient } from "./api/rest-client.ts";
import { billedSize } from "./billed-size.ts";
import { callLimits, fallbackLimit } from "./call-limits.ts";
import { eciChecks } from "./check.ts";
import { type EciConfig, endpointOf } from "./config.ts";
import { EciBackend } from "./eci-backend.ts";
import type { EciClient } from "./eci-client.ts";
import { nodeReport } from "./eci-node.ts";
import { readEciConfig } from "./read-config.ts";

export const createProvider: CreateProvider = async (init) => createEciProvider(init);

/** Nothing is asked of the cloud, and no file but those of the configuration is read. */
export const describeProvider: DescribeProvider = async (init) => {
  const config = await configOf(init);
  return {
    capabilities: { ...capabilitiesOf(config), resolve: true },
    node: nodeReport(config),
    methods,
    admit: (pod: Pod) => {
      admittedNotes(pod, config);
    },
    notes: (pod: Pod) => admittedNotes(pod, config).map(({ message }) => message),
    billedSize: (pod: Pod) => billedSize(pod, config),
  };
};

export const checkProvider: CheckProvider = async (init, context) => {
  const config = await configOf(init);
  await using client = await clientOf(config, context);
  return await eciChecks(client, config, context);
};

const methods: readonly ProviderMethod[] = [
  ...(["updatePod", "updateVolumes", "watchPods", "watchNode", "ping", "getProbeMetrics"] as const),
  ...(["getContainerLogs", "runInContainer", "getStatsSummary"] as const),
];

/** Throws Invalid with all faults of the configuration. Nothing is asked of the cloud yet. */
export async function createEciProvider(init: ProviderInit): Promise<Provider> {
  const config = await configOf(init);
  return eciProviderOf(init, config, await clientOf(config, init));
}

/** For tests. */
export interface EciTiming extends Pick<CloudProviderOptions, "pace" | "consistencyMs"> {
  readonly followEveryMs?: number | undefined;
  readonly watchEveryMs?: number | undefined;
}

export function eciProviderOf(
  { node, cluster, log, internalIP }: Pick<ProviderInit, "node" | "cluster" | "log" | "internalIP">,
  config: EciConfig,
  client: EciClient,
  { followEveryMs, watchEveryMs, ...timing }: EciTiming = {},
): Provider {
  const backend = new EciBackend({
    ...{ client, config, cluster, node, clock: systemClock, followEveryMs, watchEveryMs },
    hostIPs: internalIP === undefined ? undefined : [internalIP],
  });
  return new CloudProvider({ backend, node, log, capabilities: capabilitiesOf(config), ...timing });
}

async function clientOf(config: EciConfig, { log }: Pick<CallContext, "log">): Promise<EciClient> {
  const { region, resourceGroup, credentials, caFile, userAgent } = config;
  const { env } = process;
  return new RestClient({
    ...{ region, endpoint: endpointOf(config), clock: systemClock, env },
    ...(resourceGroup !== "" && { resourceGroup }),
    ...(caFile !== "" && { ca: await contentOf(caFile, "caFile") }),
    keys: keySource(credentials, { env, region, read: (path) => contentOf(path, "credentials") }),
    budget: new CallBudget({
      ...{ limits: callLimits(config), fallback: fallbackLimit },
      ...{ clock: systemClock, random: Math.random, log },
    }),
    userAgent: ["virtual-kubelet", userAgent].join(" ").trim(),
  });
}

/** What a pod may ask for here. */
function capabilitiesOf({ allowed }: EciConfig): Capabilities {
  return {
    features: [
      ...(["initContainers", "probes", "lifecycleHooks", "securityContext", "tty"] as const),
      ...(allowed.privileged ? (["privileged"] as const) : []),
    ],
    volumes: [
      ...(["configMap", "csi", "downwardAPI", "emptyDir", "flexVolume", "nfs", "projected", "secret"] as const),
      ...(allowed.hostPaths ? (["hostPath"] as const) : []),
    ],
    limits: { containers: 20, requests: { cpu: "64", memory: "512Gi" } },
  };
}

function configOf(init: ProviderInit): Promise<EciConfig> {
  if (init.operatingSystem === "windows")
    return Promise.reject(new VirtualKubeletError("Invalid", "the eci provider has nodes of Linux alone"));
  return readEciConfig({ path: init.configPath, object: init.config, env: process.env });
}

async function contentOf(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `${what}: cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}
