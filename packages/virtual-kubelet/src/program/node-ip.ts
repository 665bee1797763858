// The InternalIP of a node for which none is configured: where its kubelet API can be reached.
import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";

import type { Config } from "./config.ts";

type Interfaces = ReturnType<typeof networkInterfaces>;

/**
 * The address that the kubelet API listens on, where it is one; else the machine's first address that others can reach, IPv4
 * before IPv6; undefined where there is none.
 */
export function defaultNodeIP(listenAddress: string, interfaces: Interfaces = networkInterfaces()): string | undefined {
  if (listenAddress !== "" && listenAddress !== "0.0.0.0" && listenAddress !== "::") return listenAddress;
  const reachable = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !isLinkLocal(address))
    .map(({ address }) => address);
  return reachable.find(isIPv4) ?? reachable[0];
}

/** Each node that has no InternalIP gets one, where the kubelet API is served: nobody would find it else. */
export function withNodeIPs(config: Config, interfaces: Interfaces = networkInterfaces()): Config {
  if (!config.kubelet.serve) return config;
  const nodes = config.nodes.map((node) => {
    if (node.internalIP !== undefined || node.addresses.some(({ type }) => type === "InternalIP")) return node;
    const internalIP = defaultNodeIP(node.listenAddress ?? config.kubelet.address, interfaces);
    return internalIP === undefined ? node : { ...node, internalIP };
  });
  return { ...config, nodes };
}

/** An address of this machine. */
export function isOwnAddress(address: string, interfaces: Interfaces = networkInterfaces()): boolean {
  return Object.values(interfaces).some((list) => list?.some((one) => one.address === address) === true);
}

function isLinkLocal(address: string): boolean {
  return /^(?:169\.254\.|fe[89ab])/i.test(address);
}
