// Configuration of the ACI provider: where groups are made, what pods may have, who is asked for tokens. All faults are reported at
// once. Read by readAciConfig, which knows the Go provider's file and variables, too.
import { checkedConfig, quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { CloudName } from "./arm/clouds.ts";
import { word } from "./config-word.ts";
import { type CredentialsConfig, credentials } from "./credentials-config.ts";
import { type ImageLookupsConfig, imageLookups } from "./images/lookups-config.ts";
import type { GpuSku } from "./wire-containers.ts";

export interface SubnetConfig {
  /** Default: that of the groups. */
  readonly subscription: string;
  /** Default: that of the groups. */
  readonly resourceGroup: string;
  readonly virtualNetwork: string;
  readonly name: string;
  /** The subnet is made with these addresses when it is not there. Absent: it must be there. */
  readonly cidr?: string | undefined;
}

export interface KubeProxyConfig {
  readonly clusterCIDR: string;
  /** What the proxy of each group reads Services and endpoints with. "": the ServiceAccount of this program, which groups are given then. */
  readonly kubeconfigFile: string;
  /** The API server as groups reach it, with the ServiceAccount of this program. */
  readonly masterURI: string;
  readonly kubeVersion: string;
}

export interface LogAnalyticsConfig {
  readonly workspaceID: string;
  readonly workspaceKey: string;
  readonly workspaceResourceID: string;
  /** Resource id of the cluster: logs are of type ContainerInsights then, and found with the cluster's own. */
  readonly clusterResourceID: string;
}

export interface AciConfig {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly region: string;
  readonly cloud: CloudName;
  readonly credentials: CredentialsConfig;
  /** In place of the cloud's public ones, and the authority that they are known by. */
  readonly endpoints: {
    readonly resourceManager: string;
    readonly authority: string;
    readonly caFile: string;
  };
  readonly network: {
    /** Absent: groups have no network of their own, and no address but a public one. */
    readonly subnet?: SubnetConfig | undefined;
    /** Pods with ports are open to the Internet on these; not with a subnet. */
    readonly publicIP: boolean;
    /** In place of the address of the cluster's DNS Service. "": that one. */
    readonly clusterDNS: string;
    readonly kubeProxy?: KubeProxyConfig | undefined;
  };
  /** Of the node: what pods may ask for altogether. */
  readonly capacity: Readonly<Record<string, string>>;
  /** For containers that ask for none: the cloud gives nothing less than what is asked for. */
  readonly defaultRequests: { readonly cpu: string; readonly memory: string };
  /** What of security settings the cloud cannot keep (readOnlyRootFilesystem, fsGroup ...): such pods are refused, or told of it. */
  readonly unenforcedSecurity: "refuse" | "warn";
  /** An image with /bin/sh, base64 and tar: brings files with modes and in directories into volumes. "": there is none. */
  readonly helperImage: string;
  /** Resource ids of managed identities. */
  readonly identities: {
    /** Of all groups. */
    readonly default: readonly string[];
    /** Those that pods may name by annotation; `*` for any part. */
    readonly allowed: readonly string[];
  };
  /** Resource ids of subnets that pods may name by annotation; `*` for any part. */
  readonly allowedSubnets: readonly string[];
  /** Images of these hosts are pulled by a managed identity, which is one of `default` or is added to the group. */
  readonly registries: readonly { readonly server: string; readonly identity: string }[];
  /** Which registries are asked for the commands of images, where a pod leaves these to them and the cloud has to be told. */
  readonly imageLookups: ImageLookupsConfig;
  readonly priority: "Regular" | "Spot";
  readonly zones: readonly string[];
  /** Of containers that ask for nvidia.com/gpu and whose pod names none. */
  readonly gpuSKU?: GpuSku | undefined;
  readonly logAnalytics?: LogAnalyticsConfig | undefined;
  /** Figures from an extension in each group, by the address of its pod; else from Azure Monitor, a minute old. Needs a subnet. */
  readonly realTimeMetrics: boolean;
  readonly tags: Readonly<Record<string, string>>;
  /** Groups that the Go provider made are looked after, too. */
  readonly adoptGoGroups: boolean;
  /** Calls per second by operation ("get"), where the subscription's limits are not the usual ones. */
  readonly callLimits: Readonly<Record<string, { readonly perSecond: number; readonly burst: number }>>;
  /** Added to the User-Agent. */
  readonly userAgent: string;
}

/** The schema lets "" pass. */
const required = (
  variable: string,
  schema: v.GenericSchema<string, string>,
): v.GenericSchema<string | undefined, string> =>
  v.optional(
    v.pipe(
      schema,
      v.check((text) => text !== "", `is required, here or by ${variable}`),
    ),
    "",
  );
const url = word("a URL like https://host", /^$|^https:\/\/[^\s/]+(\/\S*)?$/);
const resourceID = (type: string): v.GenericSchema<string, string> =>
  word(
    `a resource id like /subscriptions/.../providers/${type}/name`,
    new RegExp(
      `^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/${type.replaceAll(".", "\\.").replace("/subnets", "/[^/]+/subnets")}/[^/]+$`,
      "i",
    ),
  );
const identityID = resourceID("Microsoft.ManagedIdentity/userAssignedIdentities");
const pattern = word("a resource id, with * for any part", /^\*$|^\/subscriptions\/\S+$/);
const cidr = word("a range of addresses like 10.241.0.0/16", /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/);
const address = word("an address like 10.0.0.10", /^$|^(\d{1,3}\.){3}\d{1,3}$/);

const schema = v.pipe(
  v.strictObject({
    subscription: required(
      "AZURE_SUBSCRIPTION_ID",
      word("the ID of a subscription", /^$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i),
    ),
    resourceGroup: required(
      "ACI_RESOURCE_GROUP",
      word("the name of a resource group", /^$|^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$/u),
    ),
    region: required("ACI_REGION", word("a region like westeurope", /^$|^[a-z]+[a-z0-9 ]*$/i)),
    cloud: v.optional(
      v.picklist(
        ["AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud"],
        "must be AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud",
      ),
      "AzurePublicCloud",
    ),
    credentials: v.optional(credentials, { type: "default" }),
    endpoints: v.optional(
      v.strictObject({
        resourceManager: v.optional(url, ""),
        authority: v.optional(url, ""),
        caFile: v.optional(v.string(), ""),
      }),
      {},
    ),
    network: v.optional(
      v.strictObject({
        subnet: v.optional(
          v.strictObject({
            subscription: v.optional(v.string(), ""),
            resourceGroup: v.optional(v.string(), ""),
            virtualNetwork: word("the name of a virtual network", /^[\w.-]{1,80}$/),
            name: word("the name of a subnet", /^[\w.-]{1,80}$/),
            cidr: v.optional(cidr),
          }),
        ),
        publicIP: v.optional(v.boolean("must be true or false"), false),
        clusterDNS: v.optional(address, ""),
        kubeProxy: v.optional(
          v.strictObject({
            clusterCIDR: v.optional(cidr, "10.240.0.0/16"),
            kubeconfigFile: v.optional(v.string("must be a path"), ""),
            masterURI: v.optional(word("an address, or a URL", /^(https:\/\/)?[\w.:[\]-]*$/), ""),
            kubeVersion: v.optional(word("a version like v1.9.10", /^v\d+\.\d+\.\d+$/), "v1.9.10"),
          }),
        ),
      }),
      {},
    ),
    capacity: v.optional(
      v.objectWithRest(
        {
          cpu: v.optional(quantity, "10000"),
          memory: v.optional(quantity, "4Ti"),
          pods: v.optional(quantity, "5000"),
        },
        quantity,
      ),
      {},
    ),
    defaultRequests: v.optional(
      v.strictObject({ cpu: v.optional(quantity, "1"), memory: v.optional(quantity, "1500M") }),
      {},
    ),
    unenforcedSecurity: v.optional(v.picklist(["refuse", "warn"], "must be refuse or warn"), "refuse"),
    helperImage: v.optional(v.string("must be the name of an image"), ""),
    identities: v.optional(
      v.strictObject({ default: v.optional(v.array(identityID), []), allowed: v.optional(v.array(pattern), []) }),
      {},
    ),
    allowedSubnets: v.optional(v.array(pattern), []),
    registries: v.optional(
      v.array(
        v.strictObject({
          server: word("a host, with a port where it has one", /^[\w.-]+(:\d+)?$/),
          identity: identityID,
        }),
      ),
      [],
    ),
    imageLookups,
    priority: v.optional(v.picklist(["Regular", "Spot"], "must be Regular or Spot"), "Regular"),
    zones: v.optional(v.array(word("a number of a zone like 1", /^\d+$/)), []),
    gpuSKU: v.optional(v.picklist(["K80", "P100", "V100"], "must be K80, P100 or V100")),
    logAnalytics: v.optional(
      v.strictObject({
        workspaceID: v.pipe(v.string("must be text"), v.minLength(1, "must not be empty")),
        workspaceKey: v.pipe(v.string("must be text"), v.minLength(1, "must not be empty")),
        workspaceResourceID: v.optional(v.string(), ""),
        clusterResourceID: v.optional(v.string(), ""),
      }),
    ),
    realTimeMetrics: v.optional(v.boolean("must be true or false"), false),
    tags: v.optional(
      v.record(
        word(
          "a tag's key: without <>%&\\?/ and not of virtual-kubelet.io",
          /^(?!virtual-kubelet\.io)[^<>%&\\?/]{1,512}$/i,
        ),
        v.pipe(v.string(), v.maxLength(256, "must be at most 256 characters")),
      ),
      {},
    ),
    adoptGoGroups: v.optional(v.boolean("must be true or false"), true),
    callLimits: v.optional(
      v.record(
        v.string(),
        v.strictObject({
          perSecond: v.pipe(v.number("must be a number"), v.minValue(0.01, "must be at least 0.01")),
          burst: v.pipe(v.number("must be a number"), v.minValue(1, "must be at least 1")),
        }),
      ),
      {},
    ),
    userAgent: v.optional(word("printable ASCII", /^[\x20-\x7e]*$/), ""),
  }),
  v.forward(
    v.check(({ network }) => !(network.publicIP && network.subnet !== undefined), "is not there with a subnet"),
    ["network", "publicIP"],
  ),
  v.forward(
    v.check(
      ({ network, realTimeMetrics }) => !realTimeMetrics || network.subnet !== undefined,
      "needs network.subnet: figures are read from the addresses of pods",
    ),
    ["realTimeMetrics"],
  ),
  v.forward(
    v.check(
      ({ network }) => network.kubeProxy === undefined || network.subnet !== undefined,
      "needs network.subnet: without it Services cannot be reached",
    ),
    ["network", "kubeProxy"],
  ),
  v.transform((config) => {
    const { network, subscription, resourceGroup } = config;
    const { subnet } = network;
    if (subnet === undefined) return config;
    const whole = {
      ...subnet,
      subscription: subnet.subscription || subscription,
      resourceGroup: subnet.resourceGroup || resourceGroup,
    };
    return { ...config, network: { ...network, subnet: whole } };
  }),
);

/** Throws Invalid with all faults in one message. No file but those that it names is read, and no variable. */
export function parseAciConfig(value: unknown): AciConfig {
  return checkedConfig("aci", schema, value);
}

/** Resource id of the subnet that groups are in. */
export function subnetID({ subscription, resourceGroup, virtualNetwork, name }: SubnetConfig): string {
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.Network/virtualNetworks/${virtualNetwork}/subnets/${name}`;
}
