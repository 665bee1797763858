// The ACI provider: container groups behind the core's provider for clouds.
import { readFile } from "node:fs/promises";
import {
  type CallContext,
  type Capabilities,
  type CheckProvider,
  type CreateProvider,
  type DescribeProvider,
  errorText,
  type Provider,
  type ProviderInit,
  type ProviderMethod,
  systemClock,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { CloudProvider, sharedBudget } from "@virtual-kubelet/virtual-kubelet/cloud";
import { AciBackend } from "./aci-backend.ts";
import { nodeReport } from "./aci-node.ts";
import { admitPod } from "./admission.ts";
import { clouds } from "./arm/clouds.ts";
import { connectArm } from "./arm/rest-client.ts";
import type { AciClient } from "./arm-client.ts";
import { billedSize } from "./billed-size.ts";
import { aciChecks } from "./check.ts";
import type { AciConfig } from "./config.ts";
import { accountSettings, credentialOf } from "./credentials-source.ts";
import { ImageProcesses } from "./images/image-processes.ts";
import { RegistryClient } from "./images/registry-client.ts";
import { callLimits, fallbackLimit } from "./limits.ts";
import { podNotes } from "./pod-notes.ts";
import { readAciConfig } from "./read-config.ts";

export const createProvider: CreateProvider = async (init, context) => await createAciProvider(init, context);

const methods: readonly ProviderMethod[] = [
  ...(["updatePod", "stopPod", "updateVolumes", "watchPods", "watchNode", "ping", "getProbeMetrics"] as const),
  ...(["getContainerLogs", "runInContainer", "attachToContainer", "getStatsSummary"] as const),
];

/** Nothing is asked of the cloud, and no file but those of the configuration is read. */
export const describeProvider: DescribeProvider = async (init) => {
  const config = await configOf(init);
  return {
    capabilities: { ...capabilitiesOf(init.operatingSystem), resolve: true },
    node: nodeReport(config),
    methods,
    admit: (pod) => admitPod(pod, { config, operatingSystem: init.operatingSystem }),
    notes: (pod) => podNotes(pod, config).map(({ message }) => message),
    billedSize: (pod) => billedSize(pod, config, init.operatingSystem),
  };
};

export const checkProvider: CheckProvider = async (init, context) => {
  const config = await configOf(init);
  await using client = await connect(config, context);
  return await aciChecks(client, config, init.operatingSystem, context);
};

/** Throws Invalid with all faults of the configuration. Nothing is asked of the cloud yet. */
export async function createAciProvider(init: ProviderInit, context: CallContext): Promise<Provider> {
  const config = await configOf(init);
  const { node, cluster, clusterDomain, operatingSystem, log } = init;
  const client = await connect(config, { ...context, log });
  const clock = systemClock;
  const { caFile } = config.imageLookups;
  const ca = caFile === "" ? undefined : await authorityOf("imageLookups.caFile", caFile);
  const registry = new RegistryClient({ env: process.env, ca });
  const identityToken = (signal: AbortSignal): Promise<string> => client.registryToken(signal);
  const images = new ImageProcesses({ registry, config, clock, operatingSystem, identityToken });
  const hostIPs = init.internalIP === undefined ? undefined : [init.internalIP];
  const backend = new AciBackend({
    client,
    config,
    node,
    cluster,
    clusterDomain,
    operatingSystem,
    hostIPs,
    clock,
    log,
    images,
  });
  return new CloudProvider({ backend, node, log, capabilities: capabilitiesOf(operatingSystem) });
}

/** What a pod may ask for here. */
export function capabilitiesOf(operatingSystem: string): Capabilities {
  const isWindows = operatingSystem === "windows";
  return {
    features: [
      ...(["initContainers", "probes", "lifecycleHooks", "securityContext", "privileged"] as const),
      ...(isWindows ? (["windows"] as const) : (["sidecarContainers"] as const)),
    ],
    volumes: [
      ...(["azureFile", "configMap", "csi", "downwardAPI", "emptyDir", "gitRepo", "projected", "secret"] as const),
    ],
    limits: { containers: 60 },
  };
}

function configOf(init: ProviderInit): Promise<AciConfig> {
  return readAciConfig({
    ...{ path: init.configPath, object: init.config, operatingSystem: init.operatingSystem },
    ...{ env: process.env, account: accountSettings },
  });
}

async function connect(config: AciConfig, { log }: CallContext): Promise<AciClient> {
  const { subscription, resourceGroup, endpoints, userAgent } = config;
  const known = clouds[config.cloud];
  const clock = systemClock;
  const resourceManager = endpoints.resourceManager || known.resourceManager;
  // The cloud counts by subscription and identity; nodes of one process have one identity, as a rule.
  const budget = sharedBudget(`${resourceManager}/subscriptions/${subscription}`, {
    ...{ limits: callLimits(config), fallback: fallbackLimit },
    ...{ clock, random: Math.random, log },
  });
  return connectArm({
    endpoints: {
      ...known,
      ...(endpoints.resourceManager !== "" && { resourceManager: endpoints.resourceManager.replace(/\/+$/, "") }),
      ...(endpoints.authority !== "" && { authority: endpoints.authority.replace(/\/+$/, "") }),
    },
    ...{ subscription, resourceGroup, budget, clock },
    credential: await credentialOf(config.credentials, process.env),
    env: process.env,
    ...(endpoints.caFile !== "" && { ca: await authorityOf("endpoints.caFile", endpoints.caFile) }),
    ...(userAgent !== "" && { extraUserAgent: userAgent }),
  });
}

async function authorityOf(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `cannot read ${path}: ${errorText(cause)}`, { cause, field });
  }
}
