// What pods ask of the cloud by annotations: those of the Go provider, those of Microsoft's second virtual nodes where they mean the
// same, and our own. Pure.
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { invalid, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import { fitsPattern } from "./wildcard.ts";
import type { GpuSku } from "./wire-containers.ts";

export interface PodWishes {
  readonly priority: "Regular" | "Spot";
  readonly zones: readonly string[];
  readonly confidential: boolean;
  readonly ccePolicy?: string | undefined;
  readonly gpuSKU?: GpuSku | undefined;
  readonly dnsNameLabel?: string | undefined;
  /** Resource ids. */
  readonly identities: readonly string[];
  /** Resource id in place of the configured one. */
  readonly subnetID?: string | undefined;
  readonly injectDNS: boolean;
  readonly injectKubeProxy: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

export const annotations = {
  priority: "virtual-kubelet.io/aci-priority",
  zones: "virtual-kubelet.io/aci-zones",
  identities: "virtual-kubelet.io/aci-identities",
  sku: "virtual-kubelet.io/container-sku",
  ccePolicy: "virtual-kubelet.io/confidential-compute-cce-policy",
  gpu: "virtual-kubelet.io/gpu-type",
  dnsNameLabel: "virtualkubelet.io/dnsnamelabel",
} as const;

const second = "microsoft.containerinstance.virtualnode.";
/** Of theirs, what has no meaning here. */
const unknown = ["imagecachepod", "cmk."];

/** Throws Unsupported or Invalid with the annotation. */
export function wishesOf({ metadata }: Pod, config: AciConfig): PodWishes {
  const all = metadata?.annotations ?? {};
  const field = (key: string): string => `metadata.annotations[${key}]`;
  for (const key of Object.keys(all))
    if (unknown.some((prefix) => key.startsWith(second + prefix)))
      throw unsupported(field(key), "is not supported by this provider");
  const either = (key: string, theirs: string): readonly [string, string | undefined] =>
    all[key] === undefined && all[second + theirs] !== undefined
      ? [second + theirs, all[second + theirs]]
      : [key, all[key]];

  const [zonesKey, zones] = either(annotations.zones, "zones");
  const [identitiesKey, identities] = either(annotations.identities, "identity");
  const [policyKey, ccePolicy] = either(annotations.ccePolicy, "ccepolicy");
  const sku = all[annotations.sku]?.toLowerCase();
  if (sku !== undefined && !["", "standard", "confidential"].includes(sku))
    throw invalid(field(annotations.sku), `"${sku}" must be standard or confidential`);
  // The second virtual nodes have no annotation of the SKU: a policy says it.
  const confidential = sku === "confidential" || (policyKey.startsWith(second) && ccePolicy !== undefined);
  if (ccePolicy !== undefined && ccePolicy !== "" && !confidential)
    throw invalid(field(policyKey), `needs ${annotations.sku}: confidential`);

  const named = list(identities);
  for (const id of named)
    if (!isAllowed(id, config.identities.allowed))
      throw unsupported(field(identitiesKey), `${id} is not among identities.allowed of the provider's configuration`);
  const subnetKey = `${second}subnets.primary`;
  const subnetID = all[subnetKey];
  if (subnetID !== undefined && !isAllowed(subnetID, config.allowedSubnets))
    throw unsupported(field(subnetKey), `${subnetID} is not among allowedSubnets of the provider's configuration`);
  return {
    priority: priorityOf(all[annotations.priority], field(annotations.priority)) ?? config.priority,
    zones: zones === undefined ? config.zones : zonesOf(zones, field(zonesKey)),
    confidential,
    ...(ccePolicy !== undefined && ccePolicy !== "" && { ccePolicy }),
    gpuSKU: gpuOf(all[annotations.gpu], field(annotations.gpu)) ?? config.gpuSKU,
    dnsNameLabel: labelOf(all[annotations.dnsNameLabel], field(annotations.dnsNameLabel)),
    identities: [...config.identities.default, ...named],
    ...(subnetID !== undefined && { subnetID }),
    injectDNS: switchOf(all[`${second}injectdns`], field(`${second}injectdns`)),
    injectKubeProxy: switchOf(all[`${second}injectkubeproxy`], field(`${second}injectkubeproxy`)),
    tags: tagsOf(all[`${second}customtags`], field(`${second}customtags`)),
  };
}

function list(text: string | undefined): readonly string[] {
  return (text ?? "")
    .split(/[;,]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function isAllowed(id: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => fitsPattern(id, pattern));
}

function priorityOf(text: string | undefined, field: string): "Regular" | "Spot" | undefined {
  if (text === undefined || text === "") return undefined;
  const found = (["Regular", "Spot"] as const).find((each) => each.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw invalid(field, `"${text}" must be Regular or Spot`);
  return found;
}

function gpuOf(text: string | undefined, field: string): GpuSku | undefined {
  if (text === undefined || text === "") return undefined;
  const found = (["K80", "P100", "V100"] as const).find((each) => each === text.toUpperCase());
  if (found === undefined) throw invalid(field, `"${text}" must be K80, P100 or V100`);
  return found;
}

function zonesOf(text: string, field: string): readonly string[] {
  const zones = list(text);
  const wrong = zones.find((zone) => !/^\d+$/.test(zone));
  if (wrong !== undefined) throw invalid(field, `"${wrong}" must be the number of a zone`);
  return zones;
}

function labelOf(text: string | undefined, field: string): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^[a-z]([a-z0-9-]{3,61})[a-z0-9]$/.test(text))
    throw invalid(field, `"${text}" must be 5 to 63 lower-case letters, digits and hyphens, a letter first`);
  return text;
}

function switchOf(text: string | undefined, field: string): boolean {
  if (text === undefined) return true;
  if (text !== "true" && text !== "false") throw invalid(field, `"${text}" must be true or false`);
  return text === "true";
}

function tagsOf(text: string | undefined, field: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list(text).map((part): [string, string] => {
      const [key = "", ...value] = part.split("=");
      if (!/^(?!virtual-kubelet\.io)[^<>%&\\?/]{1,512}$/i.test(key) || value.length === 0 || part.length > 700)
        throw invalid(field, `"${part.slice(0, 80)}" must be like key=value`);
      return [key, value.join("=").slice(0, 256)];
    }),
  );
}
