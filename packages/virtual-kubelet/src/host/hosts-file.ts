// /etc/hosts of containers.
import { readIfThere } from "./state-files.ts";

/** As the pod has it; in the host's network the host's own, with what the pod adds to it. Undefined: nothing is to be put there. */
export function hostsContent(
  { hosts, hostsAdded }: { readonly hosts?: string | undefined; readonly hostsAdded?: string | undefined },
  hostNetwork: boolean,
  file: string = "/etc/hosts",
): string | undefined {
  if (hosts !== undefined || !hostNetwork || hostsAdded === undefined) return hosts;
  const own = readIfThere(file) ?? "127.0.0.1\tlocalhost\n";
  return `# Kubernetes-managed hosts file (host network).\n${own}${own.endsWith("\n") ? "" : "\n"}${hostsAdded}`;
}
