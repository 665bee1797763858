// The Fargate provider: CloudProvider over tasks of ECS.
import {
  type Capabilities,
  type CheckProvider,
  type CreateProvider,
  type DescribeProvider,
  type Pod,
  type PodFeature,
  type PodRequest,
  type Provider,
  type ProviderInit,
  type ProviderMethod,
  type ResolvedPod,
  systemClock,
  type VolumeKind,
} from "@virtual-kubelet/virtual-kubelet";
import { CloudProvider, type CloudProviderOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admittedNotes } from "./admission.ts";
import type { AwsApi } from "./aws-api.ts";
import { awsSdk } from "./aws-sdk.ts";
import { billedSize } from "./billed-size.ts";
import { fargateChecks } from "./check.ts";
import { type FargateConfig, readFargateConfig } from "./config.ts";
import { FargateBackend } from "./fargate-backend.ts";
import { nodeReport } from "./node-report.ts";
import { mostContainers, renewsVolumes, translate } from "./translate.ts";

export const createProvider: CreateProvider = async (init) => createFargateProvider(init);

export const describeProvider: DescribeProvider = async (init) => {
  const config = await readFargateConfig({ path: init.configPath, object: init.config });
  return {
    capabilities: { ...capabilitiesOf(config), resolve: true },
    node: nodeReport(config),
    methods: methodsOf(config),
    admit: (pod: Pod, resolved?: ResolvedPod) => {
      admittedNotes(pod, config);
      if (resolved !== undefined) translate(plannedRequest(pod, resolved), config);
    },
    notes: (pod: Pod) => admittedNotes(pod, config).map(({ message }) => message),
    billedSize: (pod: Pod) => billedSize(pod, config),
  };
};

/** Before there is a pod: as one that was just made. */
function plannedRequest(pod: Pod, resolved: ResolvedPod): PodRequest {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const metadata = { ...pod.metadata, name, namespace, uid, resourceVersion: "" };
  const owner = { cluster: "", node: "", namespace, name, uid };
  return { owner, pod: { ...pod, metadata }, revision: "", resolved };
}

export const checkProvider: CheckProvider = async (init, context) => {
  const config = await readFargateConfig({ path: init.configPath, object: init.config });
  await using aws = awsSdk({ config, clock: systemClock, log: context.log });
  return fargateChecks(aws, config, systemClock, context);
};

/** Throws Invalid with all faults of the configuration. Calls nothing yet. */
export async function createFargateProvider(
  init: Pick<ProviderInit, "node" | "cluster" | "configPath" | "config" | "log" | "internalIP">,
): Promise<Provider> {
  const config = await readFargateConfig({ path: init.configPath, object: init.config });
  return fargateProviderOf(init, config, awsSdk({ config, clock: systemClock, log: init.log }));
}

/** For tests. */
export interface FargateTiming extends Pick<CloudProviderOptions, "pace" | "consistencyMs"> {
  readonly cleanUpEveryMs?: number | undefined;
}

export function fargateProviderOf(
  { node, cluster, log, internalIP }: Pick<ProviderInit, "node" | "cluster" | "log" | "internalIP">,
  config: FargateConfig,
  aws: AwsApi,
  { cleanUpEveryMs, ...timing }: FargateTiming = {},
): Provider {
  const backend = new FargateBackend({
    ...{ aws, config, cluster, node, log, clock: systemClock, cleanUpEveryMs },
    hostIPs: internalIP === undefined ? undefined : [internalIP],
  });
  return new CloudProvider({ backend, node, log, capabilities: capabilitiesOf(config), ...timing });
}

/** What a pod may ask for here. */
export function capabilitiesOf({ platform, helperImage }: FargateConfig): Capabilities {
  const linux = platform.operatingSystem === "LINUX";
  const features: PodFeature[] = [
    ...(["initContainers", "sidecarContainers", "probes", "lifecycleHooks", "securityContext", "tty"] as const),
    ...(linux ? [] : (["windows"] as const)),
  ];
  const volumes: VolumeKind[] = [
    ...(["emptyDir", "nfs", "csi", "persistentVolumeClaim"] as const),
    ...(linux && helperImage !== "" ? (["configMap", "downwardAPI", "projected", "secret"] as const) : []),
  ];
  const requests = linux ? { cpu: "16", memory: "120Gi" } : { cpu: "4", memory: "30Gi" };
  return {
    features,
    volumes,
    limits: { containers: mostContainers, requests: { ...requests, "ephemeral-storage": "200Gi" } },
  };
}

function methodsOf(config: FargateConfig): readonly ProviderMethod[] {
  const { exec, logs, stats } = config;
  return [
    ...(["updatePod", "stopPod", "watchPods", "watchNode", "ping", "getProbeMetrics"] as const),
    ...(logs === undefined ? [] : (["getContainerLogs", "attachToContainer"] as const)),
    ...(exec ? (["runInContainer"] as const) : []),
    ...(renewsVolumes(config) ? (["updateVolumes"] as const) : []),
    ...(stats ? (["getStatsSummary"] as const) : []),
  ];
}
