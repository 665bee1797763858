// Whom the cloud pulls images as: pull secrets of the pod. Pure.
import { type ImageCredential, parseImageName } from "@virtual-kubelet/virtual-kubelet";
import { fitsPattern } from "./wildcard.ts";
import type { CreateContainerGroupRequest } from "./wire.ts";

type Credential = NonNullable<CreateContainerGroupRequest["ImageRegistryCredential"]>[number];

/** One for each host. `images`: all of the pod. */
export function registryCredentials(
  credentials: readonly ImageCredential[],
  images: readonly string[],
): readonly Credential[] {
  const hosts = [...new Set(images.flatMap(hostOf))];
  const byServer = new Map<string, Credential>();
  for (const { registry, username, password, identityToken } of credentials) {
    const [pattern = ""] = registry.split("/");
    // A pattern is written out for the hosts that it fits.
    const servers = /[*?]/.test(pattern) ? hosts.filter((host) => fits(host, pattern)) : [pattern];
    for (const server of servers)
      if (!byServer.has(server))
        byServer.set(server, {
          Server: server,
          UserName: username,
          Password: password === "" ? (identityToken ?? "") : password,
        });
  }
  return [...byServer.values()];
}

/** None for a name without a registry. */
function hostOf(image: string): readonly string[] {
  const [first = "", ...rest] = parseImageName(image).repository.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? [first] : [];
}

/** Label by label, as the kubelet does. */
function fits(host: string, pattern: string): boolean {
  const labels = host.split(".");
  const patterns = pattern.split(".");
  return labels.length === patterns.length && patterns.every((each, index) => fitsPattern(labels[index] ?? "", each));
}
