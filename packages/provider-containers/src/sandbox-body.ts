// What the engine is asked for to hold a pod's place: the infra container. Pure.
import { type SandboxSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "./config.ts";
import type { ContainerCreate, EngineInfo } from "./engine/engine-client.ts";
import type { ContainerLimits } from "./figures/limits.ts";
import { sandboxLabels } from "./labels.ts";

export interface SandboxBodyFacts {
  readonly config: Pick<ContainersConfig, "network" | "runtime" | "runtimeHandlers" | "ulimits">;
  readonly engine: Pick<EngineInfo, "flavour">;
  readonly image: string;
  readonly cgroupParent: string | undefined;
  readonly limits: ContainerLimits;
}

export function sandboxBody(spec: SandboxSpec, facts: SandboxBodyFacts): ContainerCreate {
  const { config, engine } = facts;
  const podman = engine.flavour === "podman";
  return {
    Image: facts.image,
    Labels: sandboxLabels(spec),
    // In the host's network a pod has the host's name.
    ...(!spec.hostNetwork && { Hostname: spec.hostname }),
    ...(spec.hostPorts.length > 0 && !spec.hostNetwork && { ExposedPorts: exposedPorts(spec) }),
    HostConfig: {
      NetworkMode: spec.hostNetwork ? "host" : config.network === "" ? (podman ? "" : "default") : config.network,
      IpcMode: spec.hostIPC ? "host" : "shareable",
      ...(spec.hostNetwork && { UTSMode: "host" }),
      ...(spec.hostPID && { PidMode: "host" }),
      ...(facts.cgroupParent !== undefined && { CgroupParent: facts.cgroupParent }),
      ...(!spec.hostNetwork && spec.hostPorts.length > 0 && { PortBindings: portBindings(spec) }),
      ...(Object.keys(spec.sysctls).length > 0 && { Sysctls: dottedSysctls(spec.sysctls) }),
      ReadonlyRootfs: true,
      SecurityOpt: ["no-new-privileges"],
      ...facts.limits,
      ...commonHostConfig(config, spec),
    },
  };
}

/** Of infra containers and all others. */
export function commonHostConfig(
  { runtime, runtimeHandlers, ulimits }: Pick<ContainersConfig, "runtime" | "runtimeHandlers" | "ulimits">,
  { runtimeHandler }: Pick<SandboxSpec, "runtimeHandler">,
): Pick<ContainerCreate["HostConfig"], "RestartPolicy" | "Init" | "Ulimits" | "Runtime"> {
  const known = runtimeHandler !== undefined && Object.hasOwn(runtimeHandlers, runtimeHandler);
  const name = runtimeHandler === undefined ? runtime : known ? runtimeHandlers[runtimeHandler] : undefined;
  if (name === undefined)
    throw new VirtualKubeletError("Unavailable", `no runtime for "${runtimeHandler}" is configured`, {
      reason: "FailedCreatePodSandBox",
    });
  return {
    RestartPolicy: { Name: "no" },
    Init: false,
    ...(Object.keys(ulimits).length > 0 && {
      Ulimits: Object.entries(ulimits).map(([Name, { soft, hard }]) => ({ Name, Soft: soft, Hard: hard })),
    }),
    ...(name !== "" && { Runtime: name }),
  };
}

const portKey = ({ containerPort, protocol }: SandboxSpec["hostPorts"][number]): string =>
  `${containerPort}/${protocol.toLowerCase()}`;

function exposedPorts({ hostPorts }: SandboxSpec): Record<string, Record<string, never>> {
  return Object.fromEntries(hostPorts.map((port) => [portKey(port), {}]));
}

function portBindings({ hostPorts }: SandboxSpec): NonNullable<ContainerCreate["HostConfig"]["PortBindings"]> {
  const byPort = Map.groupBy(hostPorts, portKey);
  return Object.fromEntries(
    [...byPort].map(([key, ports]) => [
      key,
      ports.map(({ hostIP = "", hostPort }) => ({ HostIp: hostIP, HostPort: String(hostPort) })),
    ]),
  );
}

/** Each has its value in the pod's namespaces alone, and cannot harm the node. */
const safeSysctls: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);

/** In the form with dots; where the first separator is a slash, a dot stands for itself in a part, as in an interface's name. */
function dottedSysctl(name: string): string {
  if (!/^[^.]*\//.test(name)) return name;
  return name.replaceAll(/[./]/g, (separator) => (separator === "/" ? "." : "/"));
}

function dottedSysctls(sysctls: SandboxSpec["sysctls"]): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [dottedSysctl(name), value]));
}

/** Why a pod with these sysctls is not taken, in the kubelet's words. */
export function sysctlFault(
  names: readonly string[],
  allowed: ContainersConfig["allowedUnsafeSysctls"],
  { hostNetwork, hostIPC }: { readonly hostNetwork?: boolean | undefined; readonly hostIPC?: boolean | undefined },
): VirtualKubeletError | undefined {
  const forbidden = (name: string, why: string): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `forbidden sysctl: "${name}" ${why}`, { reason: "SysctlForbidden" });
  for (const name of names) {
    const dotted = dottedSysctl(name);
    const fits = allowed.some((each) => (each.endsWith("*") ? dotted.startsWith(each.slice(0, -1)) : dotted === each));
    if (!safeSysctls.has(dotted) && !fits) return forbidden(name, "not allowlisted");
    // They would be the host's.
    if (hostNetwork === true && dotted.startsWith("net.")) return forbidden(name, "not allowed with host net enabled");
    if (hostIPC === true && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted))
      return forbidden(name, "not allowed with host IPC enabled");
  }
  return undefined;
}
