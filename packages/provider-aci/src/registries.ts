// Whom the cloud pulls images as: pull secrets of the pod, and managed identities by configuration. Pure.
import { type ImageCredential, parseImageName } from "@virtual-kubelet/virtual-kubelet";
import type { AciConfig } from "./config.ts";
import { fitsPattern } from "./wildcard.ts";
import type { ImageRegistryCredential } from "./wire.ts";

/** What registries of the cloud's vendor take as the user's name beside a token. */
const tokenUser = "00000000-0000-0000-0000-000000000000";

/** One for each host: the pod's own before the configured. `images`: all of the pod. */
export function registryCredentials(
  credentials: readonly ImageCredential[],
  images: readonly string[],
  { registries }: Pick<AciConfig, "registries">,
): readonly ImageRegistryCredential[] {
  const hosts = [...new Set(images.flatMap(hostOf))];
  const byServer = new Map<string, ImageRegistryCredential>();
  for (const credential of credentials) {
    const [pattern = ""] = credential.registry.split("/");
    // A pattern is written out for the hosts that it fits.
    const servers = /[*?]/.test(pattern) ? hosts.filter((host) => fits(host, pattern)) : [pattern];
    for (const server of servers) if (!byServer.has(server)) byServer.set(server, accountOf(server, credential));
  }
  for (const { server, identity } of registries)
    if (hosts.includes(server) && !byServer.has(server)) byServer.set(server, { server, identity });
  return [...byServer.values()];
}

function accountOf(server: string, { username, password, identityToken }: ImageCredential): ImageRegistryCredential {
  if (identityToken !== undefined && password === "") return { server, username: tokenUser, password: identityToken };
  return { server, username, password };
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
