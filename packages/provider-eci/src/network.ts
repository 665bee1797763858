// Names of a group and names that it resolves. Pure.
import type { PodSpec, ResolvedPod } from "@virtual-kubelet/virtual-kubelet";
import type { CreateContainerGroupRequest, DnsConfig } from "./wire.ts";

/** Of names that a kernel takes. */
const longestHostName = 64;

export function translatedNetwork(
  { hostAliases = [] }: PodSpec,
  { hostname, fqdn, setHostnameAsFQDN, resolvConf }: ResolvedPod,
): Pick<CreateContainerGroupRequest, "HostName" | "HostAliase" | "DnsPolicy" | "DnsConfig"> {
  const name = setHostnameAsFQDN && fqdn !== undefined && fqdn.length <= longestHostName ? fqdn : hostname;
  const dns = resolvConf === undefined ? undefined : dnsConfigOf(resolvConf);
  return {
    HostName: name,
    ...(hostAliases.length > 0 && {
      HostAliase: hostAliases.map(({ ip, hostnames = [] }) => ({ Ip: ip, Hostname: hostnames })),
    }),
    ...(dns === undefined ? {} : { DnsPolicy: "None", DnsConfig: dns }),
  };
}

/** Undefined: it names no server. */
function dnsConfigOf(resolvConf: string): DnsConfig | undefined {
  const of = (keyword: string): readonly string[] =>
    resolvConf.split("\n").flatMap((line) => {
      const [first, ...words] = line.trim().split(/\s+/);
      return first === keyword ? words : [];
    });
  const servers = of("nameserver");
  if (servers.length === 0) return undefined;
  const searches = of("search");
  const options = of("options").map((option) => {
    const [Name = "", ...value] = option.split(":");
    return value.length === 0 ? { Name } : { Name, Value: value.join(":") };
  });
  return {
    NameServer: servers,
    ...(searches.length > 0 && { Search: searches }),
    ...(options.length > 0 && { Option: options }),
  };
}
