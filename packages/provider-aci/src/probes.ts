// Which probes the cloud carries out, and how they are written for it. It has commands and HTTP, for liveness and readiness, in
// containers that are no init containers; tells a failure by an event alone; knows no startup probes. Pure.
import type { Container, ProbeType } from "@virtual-kubelet/virtual-kubelet";
import { unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { ContainerProbe } from "./wire-containers.ts";

export type Probe = NonNullable<Container["livenessProbe"]>;

/** How the provider reaches pods. */
export interface Reach {
  /** Every pod has an address that is reached from here. */
  readonly network: boolean;
  /** Pods with ports have a public address, which is open for these alone. */
  readonly publicIP: boolean;
}

const fields = { liveness: "livenessProbe", readiness: "readinessProbe", startup: "startupProbe" } as const;

/**
 * Liveness by command or HTTP, and readiness by command: a command from here would take calls of the account without end. Readiness
 * by HTTP where we cannot reach the port.
 */
export function nativeProbes(container: Container, reach: Reach): readonly ProbeType[] {
  return (["liveness", "readiness"] as const).filter((type) => {
    const probe = container[fields[type]];
    if (probe === undefined || !isExpressible(probe)) return false;
    return type === "liveness" || probe.exec !== undefined || !isReached(probe, container, reach);
  });
}

function isExpressible(probe: Probe): boolean {
  if (probe.exec !== undefined) return true;
  const host = probe.httpGet?.host ?? "";
  return probe.httpGet !== undefined && host === "";
}

/** Throws Unsupported with the field for a probe that nobody can carry out. */
export function checkProbes(container: Container, path: string, reach: Reach): void {
  const native = nativeProbes(container, reach);
  for (const type of ["startup", "liveness", "readiness"] as const) {
    const probe = container[fields[type]];
    if (probe === undefined || native.includes(type) || probe.exec !== undefined) continue;
    if (!isReached(probe, container, reach))
      throw unsupported(
        `${path}.${fields[type]}`,
        "the cloud has no such probe, and the pod has no address to probe it from here: it needs network.subnet, or a port of the container with network.publicIP",
      );
  }
}

function isReached(probe: Probe, container: Container, reach: Reach): boolean {
  if (reach.network) return true;
  const port = portOf(probe.httpGet?.port ?? probe.tcpSocket?.port ?? probe.grpc?.port, container);
  return (
    reach.publicIP && port !== undefined && (container.ports ?? []).some(({ containerPort }) => containerPort === port)
  );
}

/** Undefined for a name that no port has. */
export function portOf(port: string | number | undefined, { ports = [] }: Container): number | undefined {
  if (typeof port === "number") return port;
  if (port === undefined) return undefined;
  if (/^\d+$/.test(port)) return Number(port);
  return ports.find(({ name }) => name === port)?.containerPort;
}

/** Liveness waits for what a startup probe may take: it would end a container that still starts. */
export function translatedProbes(
  container: Container,
  path: string,
  reach: Reach,
): { readonly livenessProbe?: ContainerProbe; readonly readinessProbe?: ContainerProbe } {
  const native = nativeProbes(container, reach);
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3 } = startupProbe ?? {};
  const starting = startupProbe === undefined ? 0 : initialDelaySeconds + periodSeconds * failureThreshold;
  return {
    ...(livenessProbe !== undefined &&
      native.includes("liveness") && {
        livenessProbe: translated(livenessProbe, container, `${path}.livenessProbe`, starting),
      }),
    ...(readinessProbe !== undefined &&
      native.includes("readiness") && {
        readinessProbe: translated(readinessProbe, container, `${path}.readinessProbe`, 0),
      }),
  };
}

function translated(probe: Probe, container: Container, path: string, leastDelay: number): ContainerProbe {
  const { exec, httpGet, initialDelaySeconds = 0 } = probe;
  const delay = Math.max(initialDelaySeconds, leastDelay);
  const { periodSeconds = 10, failureThreshold = 3, successThreshold = 1, timeoutSeconds = 1 } = probe;
  const settings = {
    ...(delay > 0 && { initialDelaySeconds: delay }),
    ...{ periodSeconds, failureThreshold, successThreshold, timeoutSeconds },
  };
  if (exec !== undefined) return { exec: { command: exec.command ?? [] }, ...settings };
  const port = portOf(httpGet?.port, container);
  if (port === undefined)
    throw unsupported(`${path}.httpGet.port`, `no port of the container is named ${httpGet?.port}`);
  const { path: target = "/", scheme = "HTTP", httpHeaders = [] } = httpGet ?? {};
  return {
    httpGet: {
      path: target,
      port,
      scheme: scheme.toUpperCase() === "HTTPS" ? "https" : "http",
      ...(httpHeaders.length > 0 && { httpHeaders: httpHeaders.map(({ name, value }) => ({ name, value })) }),
    },
    ...settings,
  };
}
