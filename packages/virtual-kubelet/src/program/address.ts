// Listen addresses as Go writes them: "host:port", ":port" for all addresses, "[::1]:port"; "" or "0" for none.
import { isIPv4 } from "node:net";

export interface ListenAddress {
  /** Absent: all addresses. */
  readonly host?: string;
  readonly port: number;
}

/** Undefined: do not listen. Throws RangeError for what the configuration's schema would refuse. */
export function parseAddress(text: string): ListenAddress | undefined {
  if (text === "" || text === "0") return undefined;
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]*)):(?<port>\d+)$/.exec(text);
  const port = Number(match?.groups?.["port"]);
  if (match === null || port > 65535) throw new RangeError(`"${text}" is no address: host:port is meant`);
  const host = match.groups?.["v6"] ?? match.groups?.["host"] ?? "";
  return host === "" ? { port } : { host, port };
}

export function addressText(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Is nobody but this machine behind the host of an address? A name other than localhost may be anybody's; "" is all addresses. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
