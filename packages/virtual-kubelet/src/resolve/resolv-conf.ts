// A pod's /etc/resolv.conf, by its dnsPolicy and dnsConfig. Pure.
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodDNSConfig } from "../kube/types.gen.ts";

export interface DnsSettings {
  /** Addresses of the cluster's DNS; none: pods have the host's. */
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  /** Content of the host's resolv.conf, where it is to be known to pods; its search domains come last. */
  readonly host?: string | undefined;
}

interface ResolvConf {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** What resolvers take. */
const most = { servers: 3, searches: 32, searchCharacters: 2048 };

/** Undefined: the host's file as it is. */
export function resolvConf({ metadata, spec }: Stored<Pod>, settings: DnsSettings): string | undefined {
  const { clusterDNS, clusterDomain, host } = settings;
  const hosts = parse(host ?? "");
  const { dnsPolicy = "ClusterFirst", dnsConfig, hostNetwork = false } = spec ?? {};
  const clusterFirst = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && !hostNetwork);
  if (dnsPolicy === "None") return format(merged({ servers: [], searches: [], options: [] }, dnsConfig));
  if (clusterFirst && clusterDNS.length > 0) {
    const domains = [`${metadata.namespace ?? ""}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
    const base = { servers: clusterDNS, searches: [...domains, ...hosts.searches], options: ["ndots:5"] };
    return format(merged(base, dnsConfig));
  }
  return dnsConfig === undefined ? host : format(merged(hosts, dnsConfig));
}

function merged(base: ResolvConf, { nameservers = [], searches = [], options = [] }: PodDNSConfig = {}): ResolvConf {
  const byName = new Map(base.options.map((option) => [option.split(":", 1)[0] ?? "", option]));
  for (const { name = "", value } of options) byName.set(name, value ? `${name}:${value}` : name);
  return {
    servers: [...new Set([...base.servers, ...nameservers])].slice(0, most.servers),
    searches: fitting([...new Set([...base.searches, ...searches])]),
    options: [...byName.values()],
  };
}

function fitting(searches: readonly string[]): readonly string[] {
  let length = -1;
  return searches.slice(0, most.searches).filter((search) => {
    length += search.length + 1;
    return length <= most.searchCharacters;
  });
}

function format({ servers, searches, options }: ResolvConf): string {
  return [
    ...(searches.length === 0 ? [] : [`search ${searches.join(" ")}\n`]),
    ...servers.map((server) => `nameserver ${server}\n`),
    ...(options.length === 0 ? [] : [`options ${options.join(" ")}\n`]),
  ].join("");
}

function parse(text: string): ResolvConf {
  const servers: string[] = [];
  let searches: readonly string[] = [];
  let options: readonly string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === "nameserver" && words[0] !== undefined) servers.push(words[0]);
    // The last line of each counts.
    else if (keyword === "search" || keyword === "domain") searches = words;
    else if (keyword === "options") options = words;
  }
  return { servers, searches, options };
}
