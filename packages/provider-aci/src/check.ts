// What the provider needs of its subscription, looked at before it is started: for `virtual-kubelet doctor`. Nothing is made.
import { type CallContext, errorText, isErrorKind, type ProviderCheck } from "@virtual-kubelet/virtual-kubelet";
import { wantedSubnet } from "./aci-node.ts";
import type { AciClient } from "./arm-client.ts";
import type { AciConfig } from "./config.ts";
import type { Permission, RegionCapabilities, Usage } from "./region-wire.ts";
import { fitsPattern } from "./wildcard.ts";

export async function aciChecks(
  client: AciClient,
  config: AciConfig,
  operatingSystem: string,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const { resourceGroup, region } = config;
  try {
    await client.ping(context);
  } catch (error) {
    return [accessFault(error, config)];
  }
  const checks: ProviderCheck[] = [
    { name: "resource group", status: "ok", message: `${resourceGroup} can be read with these credentials` },
  ];
  checks.push(await tried("rights", context, async () => rightsCheck(await client.permissions(context))));
  const { subnet } = config.network;
  if (subnet !== undefined)
    checks.push(
      await tried("subnet", context, async () => {
        const found = await client.getSubnet(subnet, context);
        const wanted = wantedSubnet(found, subnet);
        const message =
          wanted === undefined
            ? `${subnet.name} is given to container instances`
            : `${subnet.name} will be ${found === undefined ? "made" : "given to container instances"} at the start`;
        return { name: "subnet", status: "ok", message };
      }),
    );
  checks.push(
    await tried("region", context, async () =>
      regionCheck(await client.capabilities(region, context), operatingSystem, config),
    ),
    await tried("quota", context, async () => quotaCheck(await client.usage(region, context))),
  );
  return checks;
}

async function tried(
  name: string,
  { signal }: CallContext,
  look: () => Promise<ProviderCheck>,
): Promise<ProviderCheck> {
  try {
    return await look();
  } catch (error) {
    if (signal.aborted) throw error;
    const status = isErrorKind(error, "Invalid", "Unauthorized") ? "fail" : "skip";
    return { name, status, message: errorText(error) };
  }
}

function accessFault(error: unknown, { resourceGroup }: AciConfig): ProviderCheck {
  const message = errorText(error);
  const name = "resource group";
  if (isErrorKind(error, "Unauthorized"))
    return {
      name: "credentials",
      status: "fail",
      message,
      fix: "set credentials in the provider's configuration: docs/aci.md",
    };
  if (isErrorKind(error, "NotFound"))
    return { name, status: "fail", message, fix: `make it: az group create --name ${resourceGroup} --location REGION` };
  if (isErrorKind(error, "Forbidden"))
    return { name, status: "fail", message, fix: `let the identity read ${resourceGroup}: docs/aci.md has the role` };
  return { name, status: "fail", message, fix: "see whether this machine reaches the cloud, and through which proxy" };
}

const needed = [
  "Microsoft.ContainerInstance/containerGroups/read",
  "Microsoft.ContainerInstance/containerGroups/write",
  "Microsoft.ContainerInstance/containerGroups/delete",
  "Microsoft.ContainerInstance/containerGroups/restart/action",
  "Microsoft.ContainerInstance/containerGroups/stop/action",
  "Microsoft.ContainerInstance/containerGroups/containers/exec/action",
  "Microsoft.ContainerInstance/containerGroups/containers/attach/action",
  "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
] as const;
/** Without these no pod runs; without the others some calls fail. */
const vital = 3;

/** Pure. */
export function rightsCheck(permissions: readonly Permission[]): ProviderCheck {
  const isAllowed = (action: string): boolean =>
    permissions.some(
      ({ actions = [], notActions = [] }) =>
        actions.some((pattern) => fitsPattern(action, pattern)) &&
        !notActions.some((pattern) => fitsPattern(action, pattern)),
    );
  const missing = needed.filter((action) => !isAllowed(action));
  if (missing.length === 0) return { name: "rights", status: "ok", message: "all that container groups need" };
  return {
    name: "rights",
    status: missing.some((action) => needed.indexOf(action) < vital) ? "fail" : "warn",
    message: `missing: ${missing.join(", ")}`,
    fix: "assign the role of docs/aci.md to the identity, in the resource group",
  };
}

/** Pure. */
export function regionCheck(
  all: readonly RegionCapabilities[],
  operatingSystem: string,
  { region, network, gpuSKU }: Pick<AciConfig, "region" | "network" | "gpuSKU">,
): ProviderCheck {
  const address = network.subnet === undefined ? "public" : "private";
  const fitting = all.filter(
    ({ osType = "", ipAddressType = "" }) =>
      [operatingSystem, "notspecified"].includes(osType.toLowerCase()) &&
      [address, "notspecified"].includes(ipAddressType.toLowerCase()),
  );
  const name = "region";
  if (fitting.length === 0)
    return {
      name,
      status: "warn",
      message: `${region} tells of no container groups of ${operatingSystem} with ${address} addresses`,
    };
  if (gpuSKU !== undefined && !fitting.some(({ gpu = "" }) => gpu.toUpperCase() === gpuSKU))
    return { name, status: "warn", message: `${region} has no ${gpuSKU}: pods that ask for GPUs will not run` };
  const most = (figure: "maxCpu" | "maxMemoryInGB"): number =>
    Math.max(0, ...fitting.map(({ capabilities }) => capabilities?.[figure] ?? 0));
  return {
    name,
    status: "ok",
    message: `${region}: a pod has at most ${most("maxCpu")} cores and ${most("maxMemoryInGB")} GB`,
  };
}

/** Pure. */
export function quotaCheck(usages: readonly Usage[]): ProviderCheck {
  const shown = usages
    .filter(({ limit = 0 }) => limit > 0)
    .map(({ name, currentValue = 0, limit = 0 }) => ({
      text: `${name?.localizedValue ?? name?.value ?? "?"}: ${currentValue} of ${limit}`,
      full: currentValue >= limit,
    }));
  const full = shown.filter((each) => each.full);
  if (full.length > 0)
    return {
      ...{ name: "quota", status: "warn", message: `used up: ${full.map(({ text }) => text).join("; ")}` },
      fix: "ask for more in the portal: Subscription, Usage + quotas",
    };
  return { name: "quota", status: "ok", message: shown.map(({ text }) => text).join("; ") || "none is told" };
}
