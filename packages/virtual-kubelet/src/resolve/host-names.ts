// What a pod is called, and its /etc/hosts. Pure.
import type { Stored } from "../kube/resource.ts";
import type { HostAlias, Pod } from "../kube/types.gen.ts";
import type { LateText } from "../resolved-pod.ts";
import { joined } from "./late-text.ts";

export interface HostNames {
  readonly hostname: string;
  readonly fqdn?: string | undefined;
  readonly setHostnameAsFQDN: boolean;
  /** Why there is no such name. */
  readonly fault?: string | undefined;
}

const longestHostname = 63;
/** Of the kernel. */
const longestKernelName = 64;

export function hostNames({ metadata, spec }: Stored<Pod>, clusterDomain: string): HostNames {
  const override = spec?.hostnameOverride;
  if (override) return { hostname: override, setHostnameAsFQDN: false };
  if (spec?.hostNetwork === true) return { hostname: spec.nodeName ?? "", setHostnameAsFQDN: false };
  const hostname = (spec?.hostname || metadata.name).slice(0, longestHostname).replace(/[-.]+$/, "");
  if (!spec?.subdomain) return { hostname, setHostnameAsFQDN: false };
  const fqdn = `${hostname}.${spec.subdomain}.${metadata.namespace ?? ""}.svc.${clusterDomain}`;
  const setHostnameAsFQDN = spec.setHostnameAsFQDN === true;
  if (setHostnameAsFQDN && fqdn.length > longestKernelName) {
    const fault = `the FQDN ${fqdn} is too long to be the hostname: at most ${longestKernelName} characters, it has ${fqdn.length}`;
    return { hostname, fqdn, setHostnameAsFQDN, fault };
  }
  return { hostname, fqdn, setHostnameAsFQDN };
}

const managed = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

/** Undefined with the host's network: the host's own stays. */
export function hostsFile({ spec }: Pod, { hostname, fqdn }: HostNames): LateText | undefined {
  if (spec?.hostNetwork === true) return undefined;
  const names = fqdn === undefined ? hostname : `${fqdn}\t${hostname}`;
  return joined([managed, [{ afterEachPodIP: `\t${names}\n` }], aliases(spec?.hostAliases ?? [])]);
}

/** With the host's network: what comes after the host's own. Else undefined. */
export function hostsAdded({ spec }: Pod): string | undefined {
  return spec?.hostNetwork === true ? aliases(spec.hostAliases ?? []) : undefined;
}

function aliases(list: readonly HostAlias[]): string {
  if (list.length === 0) return "";
  const lines = list.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}\n`);
  return `\n# Entries added by HostAliases.\n${lines.join("")}`;
}
