// Where the engine is, from what is configured or, without that, from the environment and the places where engines listen.
import { existsSync, readFileSync } from "node:fs";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "../config.ts";
import type { EngineAddress } from "./engine-client.ts";

/** In the order in which they are looked for. */
const defaultSockets = ["/run/podman/podman.sock", "/var/run/docker.sock"];

/** The first of DOCKER_HOST, CONTAINER_HOST, and the sockets that are there; the last of these where none is. */
export function defaultEndpoint(
  env: Readonly<Record<string, string | undefined>> = process.env,
  exists: (path: string) => boolean = existsSync,
): string {
  const named = env["DOCKER_HOST"] || env["CONTAINER_HOST"];
  if (named) return named;
  return `unix://${defaultSockets.find((path) => exists(path)) ?? "/var/run/docker.sock"}`;
}

/** `text` is an endpoint as in the configuration; files of certificates are read. Throws Invalid, with the field. */
export function parseEndpoint(
  text: string,
  config: Partial<Pick<ContainersConfig, "tls" | "insecurePlainHTTP">>,
): EngineAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  switch (url?.protocol) {
    case "unix:": {
      const path = decodeURIComponent(url.pathname);
      if (url.hostname !== "" || !path.startsWith("/") || path === "/") throw invalid(text, "needs an absolute path");
      return { type: "unix", path };
    }
    case "tcp:":
    case "http:":
    case "https:":
      return tcpAddress(text, url, config);
    case "ssh:": {
      if (url.hostname === "" || url.hostname.startsWith("-")) throw invalid(text, "needs a host");
      if (url.password !== "") throw invalid("ssh://...", "must not hold a password: the ssh client's keys are used");
      const username = decodeURIComponent(url.username);
      if (!/^[\w.@\\-]*$/.test(username) || username.startsWith("-")) throw invalid(text, "names no user");
      return { type: "ssh", host: bareHost(url), port: Number(url.port || 22), username };
    }
    default:
      throw invalid(text, "must begin with unix://, tcp:// or ssh://");
  }
}

function tcpAddress(
  text: string,
  url: URL,
  { tls, insecurePlainHTTP = false }: Partial<Pick<ContainersConfig, "tls" | "insecurePlainHTTP">>,
): EngineAddress {
  if (url.username !== "" || url.password !== "") throw invalid("tcp://...", "must not hold credentials");
  if (url.hostname === "" || (url.pathname !== "/" && url.pathname !== ""))
    throw invalid(text, "needs a host and a port, and no path");
  const port = Number(url.port || (tls === undefined ? 2375 : 2376));
  if (tls !== undefined)
    return {
      ...{ type: "tcp", host: bareHost(url), port },
      tls: { ca: pem(tls.caFile, "caFile"), cert: pem(tls.certFile, "certFile"), key: pem(tls.keyFile, "keyFile") },
    };
  if (!insecurePlainHTTP || url.protocol === "https:")
    throw invalid(text, "needs tls: whoever reaches the port has the whole host (insecurePlainHTTP: true allows it)");
  return { type: "tcp", host: bareHost(url), port };
}

/** Without the brackets of an IPv6 address. */
function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function pem(path: string, field: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `tls.${field}: ${path} cannot be read`, { field: `tls.${field}`, cause });
  }
}

function invalid(text: string, fault: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", `endpoint "${text}" ${fault}`, { field: "endpoint" });
}
