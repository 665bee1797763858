// Which proxy leads to a server: the rules Go programs follow, so that an environment made for kubectl works here too.
import { BlockList, isIP } from "node:net";
import { VirtualKubeletError } from "../errors.ts";

export function isProxyAddress(address: string): boolean {
  return URL.canParse(address) && /^(https?|socks5):\/\//.test(address);
}

function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name] ?? env[name.toLowerCase()];
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

function inNetwork(host: string, network: string): boolean {
  const [address = "", prefix = ""] = network.split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const bits = Number(prefix);
  if (
    isIP(address) === 0 ||
    isIP(host) !== isIP(address) ||
    !/^\d+$/.test(prefix) ||
    bits > (family === "ipv6" ? 128 : 32)
  )
    return false;
  const list = new BlockList();
  list.addSubnet(address, bits, family);
  return list.check(host, family);
}

function exempt(host: string, port: string, rule: string): boolean {
  if (rule === "*") return true;
  if (rule.includes("/")) return inNetwork(host, rule);
  const [, name = rule, only] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(rule) ?? [];
  if (only !== undefined && only !== port) return false;
  const bare = name.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare) !== 0) return bare === host;
  if (bare.startsWith("*.")) return host.endsWith(bare.slice(1));
  if (bare.startsWith(".")) return host.endsWith(bare);
  return host === bare || host.endsWith(`.${bare}`);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** The address of the proxy for `server`, by HTTPS_PROXY or HTTP_PROXY and NO_PROXY; this machine itself needs none. */
export function proxyFromEnvironment(server: URL, env: NodeJS.ProcessEnv): string | undefined {
  const proxy = variable(env, server.protocol === "http:" ? "HTTP_PROXY" : "HTTPS_PROXY");
  if (proxy === undefined) return undefined;
  const host = server.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (isLoopback(host)) return undefined;
  const port = server.port === "" ? (server.protocol === "http:" ? "80" : "443") : server.port;
  const rules = (variable(env, "NO_PROXY") ?? "").split(",").map((rule) => rule.trim().toLowerCase());
  if (rules.some((rule) => rule !== "" && exempt(host, port, rule))) return undefined;
  const address = proxy.includes("://") ? proxy : `http://${proxy}`;
  if (!isProxyAddress(address))
    // Not quoted: it may hold a password.
    throw new VirtualKubeletError("Invalid", "HTTPS_PROXY must be an http, https or socks5 address", {
      field: "HTTPS_PROXY",
    });
  return address;
}
