// What a group has beside containers and network: identity, logs, extensions, priority, zones. Pure.
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { AciConfig } from "./config.ts";
import type { PodWishes } from "./pod-annotations.ts";
import type {
  ContainerGroupDiagnostics,
  ContainerGroupIdentity,
  ContainerGroupProperties,
  DeploymentExtensionSpec,
  ImageRegistryCredential,
} from "./wire.ts";

/** What is read when a group is made. */
export interface GroupExtras {
  /** Content of a kubeconfig for the proxy of Services. */
  readonly kubeconfig?: string | undefined;
}

export function groupProperties(
  owner: PodOwner,
  wishes: PodWishes,
  config: AciConfig,
  operatingSystem: string,
  extras: GroupExtras,
): Partial<ContainerGroupProperties> {
  const extensions = operatingSystem === "windows" ? [] : extensionsOf(wishes, config, extras);
  const diagnostics = diagnosticsOf(owner, config);
  const confidential = {
    sku: "Confidential",
    ...(wishes.ccePolicy !== undefined && { confidentialComputeProperties: { ccePolicy: wishes.ccePolicy } }),
  } as const;
  return {
    ...(wishes.confidential && confidential),
    ...(wishes.priority === "Spot" && { priority: "Spot" }),
    ...(diagnostics !== undefined && { diagnostics }),
    ...(extensions.length > 0 && { extensions }),
  };
}

/** Those of the pod, of all groups, and of its registries. */
export function identityOf(
  { identities }: PodWishes,
  registries: readonly ImageRegistryCredential[],
): ContainerGroupIdentity | undefined {
  const ids = new Set([...identities, ...registries.flatMap(({ identity }) => identity ?? [])]);
  if (ids.size === 0) return undefined;
  return { type: "UserAssigned", userAssignedIdentities: Object.fromEntries([...ids].map((id) => [id, {}])) };
}

function diagnosticsOf(owner: PodOwner, { logAnalytics }: AciConfig): ContainerGroupDiagnostics | undefined {
  if (logAnalytics === undefined) return undefined;
  const { workspaceID, workspaceKey, workspaceResourceID, clusterResourceID } = logAnalytics;
  const metadata = { "cluster-resource-id": clusterResourceID, "node-name": owner.node, "pod-uuid": owner.uid };
  return {
    logAnalytics: {
      workspaceId: workspaceID,
      workspaceKey,
      ...(workspaceResourceID !== "" && { workspaceResourceId: workspaceResourceID }),
      ...(clusterResourceID === "" ? { logType: "ContainerInstanceLogs" } : { logType: "ContainerInsights", metadata }),
    },
  };
}

/** Both are there in subnets alone. */
function extensionsOf(
  wishes: PodWishes,
  { network, realTimeMetrics }: AciConfig,
  { kubeconfig }: GroupExtras,
): readonly DeploymentExtensionSpec[] {
  const { kubeProxy } = network;
  return [
    ...(kubeProxy !== undefined && kubeconfig !== undefined && wishes.injectKubeProxy
      ? [
          {
            name: "kube-proxy",
            properties: {
              ...{ extensionType: "kube-proxy", version: "1.0" },
              settings: { clusterCidr: kubeProxy.clusterCIDR, kubeVersion: kubeProxy.kubeVersion },
              protectedSettings: { kubeConfig: Buffer.from(kubeconfig).toString("base64") },
            },
          },
        ]
      : []),
    ...(realTimeMetrics
      ? [{ name: "vk-realtime-metrics", properties: { extensionType: "realtime-metrics", version: "1.0" } }]
      : []),
  ];
}
