// What the engine is asked for to run a container: of its spec, of its pod, and of what both need from the host. Pure.
import type { ContainerSpec, PodOwner, SandboxSpec } from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "./config.ts";
import { securityOptions } from "./container-security.ts";
import type { ContainerUser } from "./container-user.ts";
import type { ContainerCreate, EngineInfo, EngineMount } from "./engine/engine-client.ts";
import type { ContainerLimits } from "./figures/limits.ts";
import { containerLabels } from "./labels.ts";
import { commonHostConfig } from "./sandbox-body.ts";

export interface ContainerBodyFacts {
  readonly owner: PodOwner;
  readonly sandbox: Pick<
    SandboxSpec,
    "hostNetwork" | "hostPID" | "hostIPC" | "shareProcessNamespace" | "runtimeHandler"
  >;
  /** Id of the infra container. */
  readonly infra: string;
  readonly engine: Pick<EngineInfo, "flavour" | "securityOptions">;
  readonly config: Pick<ContainersConfig, "runtime" | "runtimeHandlers" | "ulimits" | "logs">;
  readonly mounts: readonly EngineMount[];
  readonly cgroupParent: string | undefined;
  readonly limits: ContainerLimits;
  readonly user: ContainerUser;
  /** As the engine takes it in its option; undefined: its own. */
  readonly seccomp: string | undefined;
  /** Where the processes of the target are seen, for an ephemeral container that has one. */
  readonly targetPidMode: string | undefined;
}

export function containerBody(spec: ContainerSpec, facts: ContainerBodyFacts): ContainerCreate {
  const { sandbox, infra, engine, config } = facts;
  const podman = engine.flavour === "podman";
  const joined = `container:${infra}`;
  const pidMode =
    facts.targetPidMode ?? (sandbox.hostPID ? "host" : sandbox.shareProcessNamespace ? joined : undefined);
  // Docker takes name and domain from the container whose network is joined.
  const utsMode = sandbox.hostNetwork ? "host" : podman ? joined : undefined;
  const { command = [], args = [] } = spec;
  return {
    Image: spec.image,
    // A command without arguments drops the image's as well.
    ...(command.length > 0 && { Entrypoint: command }),
    ...(args.length > 0 && { Cmd: args }),
    ...(spec.env.length > 0 && { Env: spec.env.map(({ name, value }) => `${name}=${value}`) }),
    Labels: containerLabels(facts.owner, spec, facts.user.effective),
    ...(spec.workingDir !== undefined && spec.workingDir !== "" && { WorkingDir: spec.workingDir }),
    User: facts.user.User,
    ...(spec.tty && { Tty: true }),
    ...(spec.stdin && { OpenStdin: true }),
    ...(spec.stdin && spec.stdinOnce && { StdinOnce: true }),
    // Probes are the kubelet's.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      NetworkMode: sandbox.hostNetwork ? "host" : joined,
      IpcMode: sandbox.hostIPC ? "host" : joined,
      ...(pidMode !== undefined && { PidMode: pidMode }),
      ...(utsMode !== undefined && { UTSMode: utsMode }),
      ...(facts.cgroupParent !== undefined && { CgroupParent: facts.cgroupParent }),
      ...(facts.mounts.length > 0 && { Mounts: facts.mounts }),
      ...(facts.user.GroupAdd !== undefined && { GroupAdd: facts.user.GroupAdd }),
      ...securityOptions(spec.security, facts.seccomp, engine),
      ...facts.limits,
      LogConfig: logConfig(engine, config.logs),
      ...commonHostConfig(config, sandbox),
    },
  };
}

/** Files that we read as they are written; one file, and its end is kept when it is full. */
function logConfig(
  { flavour }: Pick<EngineInfo, "flavour">,
  { maxSize }: ContainersConfig["logs"],
): NonNullable<ContainerCreate["HostConfig"]["LogConfig"]> {
  const size = String(maxSize);
  return flavour === "podman"
    ? { Type: "k8s-file", Config: { "max-size": size } }
    : { Type: "json-file", Config: { "max-size": size, "max-file": "2" } };
}
