// Probes and hooks as the cloud carries them out. It has commands, HTTP without headers or another host, and TCP, for liveness and
// readiness, and all kinds of hooks; no startup probes, no gRPC. Pure.
import type { Container, ProbeType } from "@virtual-kubelet/virtual-kubelet";
import { unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Container as CloudContainer, Probe as CloudProbe, NameValue } from "./wire.ts";

type Probe = NonNullable<Container["livenessProbe"]>;
type Handler = NonNullable<NonNullable<Container["lifecycle"]>["postStart"]>;

const fields = { liveness: "livenessProbe", readiness: "readinessProbe", startup: "startupProbe" } as const;

/** Others are carried out from here, over the pod's address or by commands. */
export function nativeProbes(container: Container): readonly ProbeType[] {
  // Until the startup probe has passed the others wait, and only who runs that one knows.
  if (container.startupProbe !== undefined) return [];
  return (["liveness", "readiness"] as const).filter((type) => {
    const probe = container[fields[type]];
    return probe !== undefined && isExpressible(probe, container);
  });
}

function isExpressible(
  { exec, httpGet, tcpSocket, terminationGracePeriodSeconds }: Probe,
  container: Container,
): boolean {
  if (terminationGracePeriodSeconds !== undefined) return false;
  if (exec !== undefined) return true;
  if (httpGet !== undefined)
    return (
      (httpGet.host ?? "") === "" &&
      (httpGet.httpHeaders ?? []).length === 0 &&
      portOf(httpGet.port, container) !== undefined
    );
  return tcpSocket !== undefined && (tcpSocket.host ?? "") === "" && portOf(tcpSocket.port, container) !== undefined;
}

/** Undefined for a name that no port has. */
function portOf(port: string | number | undefined, { ports = [] }: Container): number | undefined {
  if (typeof port === "number") return port;
  if (port === undefined) return undefined;
  return /^\d+$/.test(port) ? Number(port) : ports.find(({ name }) => name === port)?.containerPort;
}

export function translatedProbes(container: Container): Pick<CloudContainer, "LivenessProbe" | "ReadinessProbe"> {
  const native = nativeProbes(container);
  const { livenessProbe, readinessProbe } = container;
  return {
    ...(livenessProbe !== undefined &&
      native.includes("liveness") && { LivenessProbe: translated(livenessProbe, container) }),
    ...(readinessProbe !== undefined &&
      native.includes("readiness") && { ReadinessProbe: translated(readinessProbe, container) }),
  };
}

function translated(probe: Probe, container: Container): CloudProbe {
  const { exec, httpGet, tcpSocket, initialDelaySeconds = 0 } = probe;
  const { periodSeconds = 10, failureThreshold = 3, successThreshold = 1, timeoutSeconds = 1 } = probe;
  const times = {
    ...(initialDelaySeconds > 0 && { InitialDelaySeconds: initialDelaySeconds }),
    ...{ PeriodSeconds: periodSeconds, TimeoutSeconds: timeoutSeconds },
    ...{ SuccessThreshold: successThreshold, FailureThreshold: failureThreshold },
  };
  if (exec !== undefined) return { Exec: { Command: exec.command ?? [] }, ...times };
  if (httpGet !== undefined) {
    const { path = "/", scheme = "HTTP" } = httpGet;
    const Scheme = scheme.toUpperCase() === "HTTPS" ? "HTTPS" : "HTTP";
    return { HttpGet: { Path: path, Port: portOf(httpGet.port, container) ?? 0, Scheme }, ...times };
  }
  return { TcpSocket: { Port: portOf(tcpSocket?.port, container) ?? 0 }, ...times };
}

/** Throws Unsupported with the field for what the cloud has no hook for. */
export function checkHooks({ lifecycle }: Container, path: string): void {
  if (lifecycle?.stopSignal !== undefined)
    throw unsupported(`${path}.lifecycle.stopSignal`, "the cloud has no such setting");
}

interface Hook {
  readonly command?: readonly string[];
  readonly host?: string;
  readonly http?: {
    readonly port: number;
    readonly path: string;
    readonly scheme: string;
    readonly headers: readonly NameValue[];
  };
  readonly tcp?: { readonly port: number };
}

/** To wait is a command here, for images that have it. */
function hookOf({ exec, httpGet, tcpSocket, sleep }: Handler, container: Container, path: string): Hook {
  if (exec !== undefined) return { command: exec.command ?? [] };
  if (sleep !== undefined) return { command: ["sleep", String(sleep.seconds)] };
  const [kind, wanted] = httpGet === undefined ? ["tcpSocket", tcpSocket?.port] : ["httpGet", httpGet.port];
  const port = portOf(wanted, container);
  if (port === undefined) throw unsupported(`${path}.${kind}.port`, `no port of the container is named ${wanted}`);
  const host = httpGet?.host ?? tcpSocket?.host ?? "";
  const at = host === "" ? {} : { host };
  if (httpGet === undefined) return { ...at, tcp: { port } };
  const { path: target = "/", scheme = "HTTP", httpHeaders = [] } = httpGet;
  const headers = httpHeaders.map(({ name, value }) => ({ Name: name, Value: value }));
  return { ...at, http: { port, path: target, scheme: scheme.toUpperCase(), headers } };
}

export function translatedHooks(container: Container, path: string): Partial<CloudContainer> {
  const { postStart, preStop } = container.lifecycle ?? {};
  return {
    ...(postStart !== undefined && afterStart(hookOf(postStart, container, `${path}.lifecycle.postStart`))),
    ...(preStop !== undefined && beforeStop(hookOf(preStop, container, `${path}.lifecycle.preStop`))),
  };
}

function afterStart({ command, host, http, tcp }: Hook): Partial<CloudContainer> {
  if (command !== undefined) return { LifecyclePostStartHandlerExec: command };
  if (http === undefined)
    return {
      ...(host !== undefined && { LifecyclePostStartHandlerTcpSocketHost: host }),
      ...(tcp !== undefined && { LifecyclePostStartHandlerTcpSocketPort: tcp.port }),
    };
  return {
    ...(host !== undefined && { LifecyclePostStartHandlerHttpGetHost: host }),
    LifecyclePostStartHandlerHttpGetPort: http.port,
    LifecyclePostStartHandlerHttpGetPath: http.path,
    LifecyclePostStartHandlerHttpGetScheme: http.scheme,
    ...(http.headers.length > 0 && { LifecyclePostStartHandlerHttpGetHttpHeader: http.headers }),
  };
}

function beforeStop({ command, host, http, tcp }: Hook): Partial<CloudContainer> {
  if (command !== undefined) return { LifecyclePreStopHandlerExec: command };
  if (http === undefined)
    return {
      ...(host !== undefined && { LifecyclePreStopHandlerTcpSocketHost: host }),
      ...(tcp !== undefined && { LifecyclePreStopHandlerTcpSocketPort: tcp.port }),
    };
  return {
    ...(host !== undefined && { LifecyclePreStopHandlerHttpGetHost: host }),
    LifecyclePreStopHandlerHttpGetPort: http.port,
    LifecyclePreStopHandlerHttpGetPath: http.path,
    LifecyclePreStopHandlerHttpGetScheme: http.scheme,
    ...(http.headers.length > 0 && { LifecyclePreStopHandlerHttpGetHttpHeader: http.headers }),
  };
}
