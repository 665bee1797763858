// The Go provider's TOML file and variables in our terms. Pure.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { checkedConfig, quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A part of what parseAciConfig takes. */
export type Settings = Readonly<Record<string, unknown>>;

const text = v.optional(v.string("must be text"), "");

const schema = v.strictObject({
  ResourceGroup: text,
  Region: text,
  OperatingSystem: v.optional(v.picklist(["Linux", "Windows"], "must be Linux or Windows"), "Linux"),
  CPU: v.optional(quantity),
  Memory: v.optional(quantity),
  Pods: v.optional(quantity),
  SubnetName: text,
  SubnetCIDR: v.optional(
    v.pipe(v.string(), v.regex(/^$|^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/, "must be like 10.0.0.0/16")),
  ),
});

/** Throws Invalid, with its names, for all faults at once. */
export function fromGoFile(table: unknown): { readonly settings: Settings; readonly operatingSystem: string } {
  const go = checkedConfig("aci", schema, table);
  const subnet = present({ name: go.SubnetName, cidr: go.SubnetCIDR });
  return {
    operatingSystem: go.OperatingSystem,
    settings: present({
      resourceGroup: go.ResourceGroup,
      region: go.Region,
      capacity: present({ cpu: go.CPU, memory: go.Memory, pods: go.Pods }),
      network: present({ subnet }),
    }),
  };
}

/** What of the Go provider's variables is set. Those of credentials are read with these. */
export function fromGoVariables(env: Environment): Settings {
  return present({
    subscription: env["AZURE_SUBSCRIPTION_ID"] ?? env["ACI_SUBSCRIPTION_ID"],
    resourceGroup: env["ACI_RESOURCE_GROUP"],
    region: env["ACI_REGION"],
    userAgent: env["ACI_EXTRA_USER_AGENT"],
    capacity: present({
      cpu: env["ACI_QUOTA_CPU"],
      memory: env["ACI_QUOTA_MEMORY"],
      pods: env["ACI_QUOTA_POD"],
      "nvidia.com/gpu": env["ACI_QUOTA_GPU"],
    }),
    network: present({
      clusterDNS: env["KUBE_DNS_IP"],
      subnet: present({
        subscription: env["ACI_VNET_SUBSCRIPTION_ID"],
        resourceGroup: env["ACI_VNET_RESOURCE_GROUP"],
        virtualNetwork: env["ACI_VNET_NAME"],
        name: env["ACI_SUBNET_NAME"],
        cidr: env["ACI_SUBNET_CIDR"],
      }),
      // Its chart sets it. Where it is not set, no group is given a credential of this program's.
      kubeProxy:
        (env["MASTER_URI"] ?? "") === ""
          ? undefined
          : present({
              masterURI: env["MASTER_URI"],
              clusterCIDR: env["CLUSTER_CIDR"],
              kubeconfigFile: env["KUBECONFIG"],
            }),
    }),
    realTimeMetrics:
      env["ENABLE_REAL_TIME_METRICS"] === undefined ? undefined : isTrue(env["ENABLE_REAL_TIME_METRICS"]),
  });
}

function isTrue(value: string): boolean {
  return value.toLowerCase() === "true";
}

/**
 * Without a subnet's name there is none, whatever else is said of it, as with the Go provider. What needs one goes with it.
 */
export function withoutIdleSubnet(settings: Settings): Settings {
  const { network, realTimeMetrics, ...others } = settings;
  if (!isSettings(network)) return { ...others, ...(realTimeMetrics === undefined ? {} : { realTimeMetrics: false }) };
  const { subnet, kubeProxy, ...more } = network;
  if (isSettings(subnet) && subnet["name"] !== undefined) return settings;
  return { ...others, network: more, ...(realTimeMetrics === undefined ? {} : { realTimeMetrics: false }) };
}

const workspace = v.object({ workspaceID: v.string(), workspaceKey: v.string() });

/** Of the file at LOG_ANALYTICS_AUTH_LOCATION and the variables, which go before it. Undefined: logs go nowhere. Throws Invalid. */
export function logAnalyticsOf(env: Environment, file: string | undefined): Settings | undefined {
  const path = env["LOG_ANALYTICS_AUTH_LOCATION"] ?? "";
  const kept = file === undefined ? undefined : workspaceOf(file, path);
  const workspaceID = env["LOG_ANALYTICS_ID"] || kept?.workspaceID;
  const workspaceKey = env["LOG_ANALYTICS_KEY"] || kept?.workspaceKey;
  if (workspaceID === undefined && workspaceKey === undefined) return undefined;
  return present({ workspaceID, workspaceKey, clusterResourceID: env["CLUSTER_RESOURCE_ID"] });
}

function workspaceOf(content: string, path: string): v.InferOutput<typeof workspace> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // The parser's own words would hold pieces of a key.
    throw new VirtualKubeletError("Invalid", `LOG_ANALYTICS_AUTH_LOCATION: ${path} is no JSON`);
  }
  const result = v.safeParse(workspace, value);
  if (result.success) return result.output;
  throw new VirtualKubeletError(
    "Invalid",
    `LOG_ANALYTICS_AUTH_LOCATION: ${path} must be a JSON object with workspaceID and workspaceKey`,
  );
}

/** Of several that say something the last counts; objects are taken together. */
export function mergedSettings(...all: readonly Settings[]): Settings {
  const out: Record<string, unknown> = {};
  for (const settings of all)
    for (const [key, value] of Object.entries(settings)) {
      const before = out[key];
      out[key] = isSettings(before) && isSettings(value) ? mergedSettings(before, value) : value;
    }
  return out;
}

export function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Without what is not set: a variable that is empty says nothing. */
export function present(settings: Settings): Settings {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([, value]) => value !== undefined && value !== "" && !(isSettings(value) && Object.keys(value).length === 0),
    ),
  );
}
