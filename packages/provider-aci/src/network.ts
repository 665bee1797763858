// How a group is reached and what names it resolves: address, subnet, DNS. Pure.
import type { Pod, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ignored, placedContainers, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type AciConfig, subnetID } from "./config.ts";
import type { PodWishes } from "./pod-annotations.ts";
import type { ContainerGroupProperties, DnsConfiguration } from "./wire.ts";
import type { ContainerPort } from "./wire-containers.ts";

export interface TranslatedNetwork {
  readonly properties: Pick<ContainerGroupProperties, "ipAddress" | "subnetIds" | "dnsConfig">;
  readonly notes: readonly CreateNote[];
}

/** What the cloud takes. */
const most = { servers: 3, searches: 6, characters: 256 };

/** Throws Unsupported with the field. `resolvConf`: as the kubelet would write it. */
export function translatedNetwork(
  pod: Pod,
  resolvConf: string | undefined,
  wishes: PodWishes,
  config: AciConfig,
  clusterDomain: string,
): TranslatedNetwork {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const ports = groupPorts(spec);
  const notes: CreateNote[] = [];
  const { subnet } = config.network;
  const id = wishes.subnetID ?? (subnet === undefined ? undefined : subnetID(subnet));
  if (id === undefined) {
    if (spec.dnsPolicy === "None" || (spec.dnsConfig?.nameservers ?? []).length > 0)
      throw unsupported("spec.dnsConfig", "groups have a DNS configuration only in a subnet: network.subnet");
    const { publicIP } = config.network;
    const label = publicIP && ports.length > 0 ? wishes.dnsNameLabel : undefined;
    if (wishes.dnsNameLabel !== undefined && label === undefined)
      notes.push(ignored("metadata.annotations[virtualkubelet.io/dnsnamelabel]", noAddress));
    if (!publicIP || ports.length === 0) return { properties: {}, notes };
    const ipAddress = { type: "Public" as const, ports, ...(label !== undefined && { dnsNameLabel: label }) };
    return { properties: { ipAddress }, notes };
  }
  if (wishes.dnsNameLabel !== undefined)
    notes.push(ignored("metadata.annotations[virtualkubelet.io/dnsnamelabel]", noAddress));
  const dns = wishes.injectDNS ? dnsConfigOf(pod, resolvConf, config, clusterDomain) : { notes: [] };
  return {
    properties: {
      ...(ports.length > 0 && { ipAddress: { type: "Private", ports } }),
      subnetIds: [{ id }],
      ...(dns.config !== undefined && { dnsConfig: dns.config }),
    },
    notes: [...notes, ...dns.notes],
  };
}

const noAddress = "the group has no public address";

/** Of all containers, each once: they share one network. */
export function groupPorts(spec: PodSpec): readonly ContainerPort[] {
  const ports = new Map<string, ContainerPort>();
  for (const { container, kind, field } of placedContainers(spec))
    for (const port of kind === "init" ? [] : containerPorts(container, field))
      ports.set(`${port.port}/${port.protocol}`, port);
  return [...ports.values()];
}

/** Throws Unsupported with the field. */
export function containerPorts({ ports = [] }: PodSpec["containers"][number], path: string): readonly ContainerPort[] {
  return ports.map(({ containerPort: port, protocol = "TCP" }, index) => {
    if (protocol !== "TCP" && protocol !== "UDP")
      throw unsupported(`${path}.ports[${index}].protocol`, `the cloud has TCP and UDP, not ${protocol}`);
    return { port, protocol };
  });
}

function dnsConfigOf(
  { metadata, spec }: Pod,
  resolvConf: string | undefined,
  { network }: AciConfig,
  clusterDomain: string,
): { readonly config?: DnsConfiguration | undefined; readonly notes: readonly CreateNote[] } {
  const { dnsPolicy = "ClusterFirst", dnsConfig = {} } = spec ?? {};
  const isCluster = dnsPolicy === "ClusterFirst" || dnsPolicy === "ClusterFirstWithHostNet";
  const found = parsed(resolvConf ?? "");
  const own = isCluster && network.clusterDNS !== "";
  const domains = [`${metadata?.namespace ?? ""}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  const servers = own ? [...new Set([network.clusterDNS, ...(dnsConfig.nameservers ?? [])])] : found.servers;
  if (servers.length === 0) {
    if (dnsPolicy === "None") throw unsupported("spec.dnsConfig.nameservers", "names no server");
    return { notes: [] };
  }
  const searches = own && found.servers.length === 0 ? [...domains, ...(dnsConfig.searches ?? [])] : found.searches;
  const options = own && found.servers.length === 0 ? ["ndots:5"] : found.options;
  const kept = fitting(searches);
  const notes = [
    ...(servers.length > most.servers
      ? [
          ignored(
            "spec.dnsConfig.nameservers",
            `the cloud takes ${most.servers}: ${servers.slice(most.servers).join(", ")} left out`,
          ),
        ]
      : []),
    ...(kept.length < searches.length
      ? [
          ignored(
            "spec.dnsConfig.searches",
            `the cloud takes ${most.searches}: ${searches.slice(kept.length).join(", ")} left out`,
          ),
        ]
      : []),
  ];
  return {
    config: {
      nameServers: servers.slice(0, most.servers),
      ...(kept.length > 0 && { searchDomains: kept.join(" ") }),
      ...(options.length > 0 && { options: options.join(" ") }),
    },
    notes,
  };
}

function fitting(searches: readonly string[]): readonly string[] {
  let length = -1;
  return searches.slice(0, most.searches).filter((search) => {
    length += search.length + 1;
    return length <= most.characters;
  });
}

function parsed(text: string): {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
} {
  const of = (keyword: string): readonly string[] =>
    text.split("\n").flatMap((line) => {
      const [first, ...words] = line.trim().split(/\s+/);
      return first === keyword ? words : [];
    });
  return { servers: of("nameserver"), searches: of("search"), options: of("options") };
}
