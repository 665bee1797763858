// Words of probes as users of a kubelet know them, alerts match them and runbooks quote them: durations and errors of
// sockets the way Go prints them. Pure.

/** "1s", "1m30s", "1h0m0s"; below a second "200ms". */
export function goDuration(ms: number): string {
  if (ms < 1000) return ms <= 0 ? "0s" : `${Math.round(ms)}ms`;
  const seconds = Math.round(ms) / 1000;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes % 60}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** "10.0.0.1:80", "[fd00::1]:80". */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const errnoText: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ECONNABORTED: "software caused connection abort",
  EHOSTUNREACH: "no route to host",
  EHOSTDOWN: "host is down",
  ENETUNREACH: "network is unreachable",
  ETIMEDOUT: "connection timed out",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EADDRNOTAVAIL: "cannot assign requested address",
  EMFILE: "too many open files",
  EPIPE: "broken pipe",
};

export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Of an error of a socket, before or after it was connected. */
export function socketErrorText(error: unknown, host: string, port: number): string {
  const code = errorCode(error);
  const address = hostPort(host, port);
  if (code === "ENOTFOUND") return `dial tcp: lookup ${host}: no such host`;
  if (code.startsWith("EAI_")) return `dial tcp: lookup ${host}: Temporary failure in name resolution`;
  const syscall = error instanceof Error && "syscall" in error ? error.syscall : undefined;
  const text = errnoText[code];
  // Of several addresses of one name none could be reached.
  const dialled = syscall === "connect" || error instanceof AggregateError;
  if (text !== undefined && dialled) return `dial tcp ${address}: connect: ${text}`;
  if (text !== undefined && syscall !== undefined) return `${String(syscall)} tcp ${address}: ${text}`;
  if (code === "ECONNRESET") return "EOF";
  const message = error instanceof Error ? error.message.replaceAll(/\s+/g, " ") : String(error);
  // OpenSSL's own words, without its places in memory and source.
  const [, tls] = /:SSL routines:[^:]*:([^:]+):/.exec(message) ?? [];
  return tls === undefined ? message : `tls: ${tls}`;
}

/** As `format` of a kubelet's User-Agent: "kube-probe/1.36" of "v1.36.3-vk-0.1.0". */
export function userAgent(purpose: "probe" | "lifecycle", kubernetesVersion: string): string {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(kubernetesVersion) ?? [];
  return `kube-${purpose}/${major ?? "1"}.${minor ?? "0"}`;
}
