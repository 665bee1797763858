// The node as the configuration has it, once its subnet is there: a subnet that is missing or not given to container instances is made
// or given to them, one that cannot be keeps the node from being ready.
import {
  type CallContext,
  type Clock,
  errorText,
  isErrorKind,
  type NodeReport,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { AciClient, SubnetRef } from "./arm-client.ts";
import type { AciConfig, SubnetConfig } from "./config.ts";
import type { Subnet } from "./region-wire.ts";

const service = "Microsoft.ContainerInstance/containerGroups";
const retryMs = 60_000;

/** Labels that keep load balancers from nodes without a network, as those of the Go provider. */
export function nodeReport({ capacity, region }: AciConfig, ready?: NodeReport["conditions"]): NodeReport {
  return {
    capacity,
    labels: {
      "alpha.service-controller.kubernetes.io/exclude-balancer": "true",
      "node.kubernetes.io/exclude-from-external-load-balancers": "true",
      "kubernetes.azure.com/managed": "false",
      "topology.kubernetes.io/region": region.toLowerCase().replaceAll(" ", ""),
    },
    nodeInfo: { containerRuntimeVersion: "aci://2025-09-01" },
    ...(ready !== undefined && { conditions: ready }),
  };
}

/** Yields the node, not ready as long as its subnet is not; ends when that is settled. */
export async function* watchNode(
  client: Pick<AciClient, "getSubnet" | "createOrUpdateSubnet">,
  config: AciConfig,
  clock: Clock,
  context: CallContext,
): AsyncGenerator<NodeReport> {
  const { subnet } = config.network;
  let told = "";
  while (subnet !== undefined) {
    try {
      await ensureSubnet(client, subnet, context);
      break;
    } catch (error) {
      if (context.signal.aborted) throw error;
      const message = errorText(error);
      if (message !== told) context.log.warn({ subnet: subnet.name, err: message }, "the subnet cannot be used yet");
      told = message;
      const reason = isErrorKind(error, "Invalid") ? "SubnetUnusable" : "SubnetUnknown";
      yield nodeReport(config, [{ type: "Ready", status: "False", reason, message }]);
      await pause(clock, retryMs, context.signal);
      context.signal.throwIfAborted();
    }
  }
  yield nodeReport(config);
  // Nothing more is to be told; to end would mean that it is to be asked again.
  await aborted(context.signal);
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

/** Throws Invalid for a subnet that pods cannot be in. */
export async function ensureSubnet(
  client: Pick<AciClient, "getSubnet" | "createOrUpdateSubnet">,
  config: SubnetConfig,
  context: CallContext,
): Promise<void> {
  const ref: SubnetRef = config;
  const found = await client.getSubnet(ref, context);
  const wanted = wantedSubnet(found, config);
  if (wanted === undefined) return;
  const { name, virtualNetwork } = config;
  context.log.info(
    { subnet: name, virtualNetwork },
    found === undefined ? "makes the subnet" : "gives the subnet to container instances",
  );
  await client.createOrUpdateSubnet(ref, wanted, context);
}

/** What is to be written; undefined: it is as it must be. Throws Invalid. Pure. */
export function wantedSubnet(
  found: Subnet | undefined,
  { name, cidr, virtualNetwork }: SubnetConfig,
): Subnet | undefined {
  const delegation = { name: "aciDelegation", properties: { serviceName: service } };
  const fault = (message: string): VirtualKubeletError =>
    new VirtualKubeletError("Invalid", `network.subnet: ${name} of ${virtualNetwork} ${message}`, {
      field: "network.subnet",
    });
  if (found === undefined) {
    if (cidr === undefined) throw fault("is not there, and network.subnet.cidr does not say what to make");
    return { name, properties: { addressPrefix: cidr, delegations: [delegation] } };
  }
  const { properties } = found;
  const prefixes =
    properties.addressPrefixes ?? (properties.addressPrefix === undefined ? [] : [properties.addressPrefix]);
  if (cidr !== undefined && prefixes.length > 0 && !prefixes.includes(cidr))
    throw fault(`has the addresses ${prefixes.join(", ")}, not ${cidr}`);
  if (properties.routeTable !== undefined && properties.routeTable !== null)
    throw fault("has a route table: container groups cannot be in it");
  const foreign = (properties.serviceAssociationLinks ?? []).find(
    (link) => (link.properties?.linkedResourceType ?? service).toLowerCase() !== service.toLowerCase(),
  );
  if (foreign !== undefined) throw fault(`is used by ${foreign.properties?.linkedResourceType ?? "another service"}`);
  const delegations = properties.delegations ?? [];
  const isOurs = (each: (typeof delegations)[number]): boolean =>
    each.properties?.serviceName?.toLowerCase() === service.toLowerCase();
  if (delegations.some(isOurs)) return undefined;
  const other = delegations.find((each) => each.properties?.serviceName !== undefined);
  if (other !== undefined) throw fault(`is given to ${other.properties?.serviceName}`);
  return { ...found, properties: { ...properties, delegations: [delegation] } };
}
