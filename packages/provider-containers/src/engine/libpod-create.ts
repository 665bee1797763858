// A create in the words of Podman's own API. In the shared one a root file system that is read-only gets writable places all the
// same, soft and hard limits change places, and every container has variables that nobody asked for. Pure.
import type { ContainerCreate, EngineMount } from "./engine-client.ts";

type HostConfig = ContainerCreate["HostConfig"];

/** Set by Podman in every container. */
const unasked = ["TERM", "container"];

const mapped: ReadonlySet<string> = new Set<keyof HostConfig>([
  ...(["NetworkMode", "PidMode", "IpcMode", "UTSMode", "CgroupParent", "Mounts", "PortBindings", "Sysctls"] as const),
  ...(["Privileged", "ReadonlyRootfs", "CapAdd", "CapDrop", "GroupAdd", "SecurityOpt", "MaskedPaths"] as const),
  ...(["ReadonlyPaths", "CpuShares", "CpuPeriod", "CpuQuota", "CpusetCpus", "Memory", "MemorySwap"] as const),
  ...(["MemoryReservation", "PidsLimit", "OomScoreAdj", "ShmSize", "Ulimits", "Runtime", "Init"] as const),
  ...(["RestartPolicy", "LogConfig"] as const),
]);

/** Undefined where something is asked for that is not translated: the shared API has it. */
export function libpodCreate(name: string, body: ContainerCreate): Readonly<Record<string, unknown>> | undefined {
  const { HostConfig: host } = body;
  if (Object.keys(host).some((key) => !mapped.has(key)) || body.Domainname !== undefined) return undefined;
  const env = Object.fromEntries((body.Env ?? []).map(parted));
  return defined({
    ...{ name, image: body.Image, entrypoint: body.Entrypoint, command: body.Cmd, env, labels: body.Labels },
    unsetenv: unasked.filter((key) => !(body.Tty === true && key === "TERM") && env[key] === undefined),
    ...{ work_dir: body.WorkingDir, create_working_dir: body.WorkingDir === undefined ? undefined : true },
    ...{ user: body.User, groups: host.GroupAdd, hostname: body.Hostname, terminal: body.Tty, stdin: body.OpenStdin },
    healthconfig: body.Healthcheck,
    ...namespaces(host),
    portmappings: portMappings(host),
    ...{ cgroup_parent: host.CgroupParent, sysctl: host.Sysctls, privileged: host.Privileged },
    ...{ read_only_filesystem: host.ReadonlyRootfs, cap_add: host.CapAdd, cap_drop: host.CapDrop },
    ...securityOptions(host.SecurityOpt ?? []),
    mounts: host.Mounts?.map(mount),
    resource_limits: resourceLimits(host),
    ...{ oom_score_adj: host.OomScoreAdj, shm_size: host.ShmSize, oci_runtime: host.Runtime, init: host.Init },
    r_limits: host.Ulimits?.map(({ Name, Soft, Hard }) => ({ type: Name, soft: bound(Soft), hard: bound(Hard) })),
    restart_policy: host.RestartPolicy?.Name,
    log_configuration: logConfiguration(host.LogConfig),
    // As other engines: volumes of the image are the container's own, its init is nothing special, nor are its users.
    ...{ image_volume_mode: "anonymous", systemd: "false", passwd: false },
  });
}

function parted(variable: string): readonly [string, string] {
  const at = variable.indexOf("=");
  return [variable.slice(0, at), variable.slice(at + 1)];
}

function namespaces(host: HostConfig): Readonly<Record<string, unknown>> {
  const network = host.NetworkMode ?? "";
  const named = network !== "" && !/^(host|none|bridge|default|container:.*|ns:.*)$/.test(network);
  return {
    netns: named || network === "" || network === "default" ? { nsmode: "bridge" } : namespace(network),
    networks: named ? { [network]: {} } : undefined,
    pidns: namespace(host.PidMode),
    ipcns: namespace(host.IpcMode),
    utsns: namespace(host.UTSMode),
  };
}

function namespace(mode: string | undefined): { readonly nsmode: string; readonly value?: string } | undefined {
  if (mode === undefined || mode === "") return undefined;
  const [, kind, value] = /^(container|ns):(.*)$/.exec(mode) ?? [];
  if (kind === undefined || value === undefined) return { nsmode: mode };
  return { nsmode: kind === "ns" ? "path" : kind, value };
}

function portMappings({ PortBindings: bindings }: HostConfig): readonly unknown[] | undefined {
  if (bindings === undefined) return undefined;
  return Object.entries(bindings).flatMap(([key, ports]) => {
    const [port, protocol = "tcp"] = key.split("/");
    return ports.map(({ HostIp, HostPort }) => ({
      ...{ container_port: Number(port), host_port: Number(HostPort), host_ip: HostIp, protocol },
    }));
  });
}

function securityOptions(options: readonly string[]): Readonly<Record<string, unknown>> {
  const values = (key: string): readonly string[] =>
    options.flatMap((option) => (option.startsWith(`${key}=`) ? [option.slice(key.length + 1)] : []));
  const list = (key: string): readonly string[] | undefined => (values(key).length > 0 ? values(key) : undefined);
  return {
    no_new_privileges: options.includes("no-new-privileges") ? true : undefined,
    seccomp_profile_path: values("seccomp")[0],
    apparmor_profile: values("apparmor")[0],
    selinux_opts: list("label"),
    unmask: list("unmask"),
  };
}

function mount({ Type, Source, Target, ReadOnly, BindOptions, TmpfsOptions }: EngineMount): unknown {
  const { SizeBytes, Mode } = TmpfsOptions ?? {};
  const options = [
    ...(Type === "bind" ? ["rbind"] : []),
    ReadOnly === true ? "ro" : "rw",
    ...(BindOptions?.Propagation === undefined ? [] : [BindOptions.Propagation]),
    ...(SizeBytes === undefined ? [] : [`size=${SizeBytes}`]),
    ...(Mode === undefined ? [] : [`mode=${Mode.toString(8)}`]),
  ];
  return defined({ type: Type, source: Source, destination: Target, options });
}

function resourceLimits(host: HostConfig): Readonly<Record<string, unknown>> {
  return defined({
    cpu: defined({
      ...{ shares: host.CpuShares, period: host.CpuPeriod, quota: host.CpuQuota, cpus: host.CpusetCpus },
    }),
    memory: defined({ limit: host.Memory, swap: host.MemorySwap, reservation: host.MemoryReservation }),
    pids: host.PidsLimit === undefined ? undefined : { limit: host.PidsLimit },
  });
}

function logConfiguration(config: HostConfig["LogConfig"]): unknown {
  if (config === undefined) return undefined;
  const size = config.Config["max-size"];
  return defined({ driver: config.Type, size: size === undefined ? undefined : Number(size) });
}

/** -1 is no limit: of what JSON can say, the most. */
function bound(limit: number): number {
  return limit < 0 ? Number.MAX_SAFE_INTEGER : limit;
}

function defined(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
