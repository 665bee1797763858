// From a resolved pod to what a container runtime is told: the sandbox, and each run of a container. Pure.
import type { Container, Pod, PodSpec, ResourceRequirements, SecurityContext } from "../kube/types.gen.ts";
import type { PodRequest } from "../provider/pods.ts";
import { podLimits, podRequests, type Quantities } from "../status/pod-resources.ts";
import type { ContainerSpec, QosClass, SandboxSpec } from "./container-runtime.ts";
import { killRank } from "./kill-rank.ts";
import { completed, completedOrNone, type LateValues } from "./late-text.ts";
import type { PodContainer } from "./pod-container.ts";
import { encodeMemory, type PodMemory } from "./pod-memory.ts";
import { encodeRunNotes, type RunNotes } from "./run-notes.ts";

export function sandboxSpec(request: PodRequest, memory: PodMemory): SandboxSpec {
  const spec: PodSpec = request.pod.spec ?? { containers: [] };
  const { resolved } = request;
  const hostname = resolved?.hostname ?? request.owner.name.slice(0, 63);
  return {
    owner: request.owner,
    revision: request.revision,
    hostname: resolved?.setHostnameAsFQDN === true ? (resolved.fqdn ?? hostname) : hostname,
    resolvConf: resolved?.resolvConf,
    hostNetwork: spec.hostNetwork ?? false,
    hostPID: spec.hostPID ?? false,
    hostIPC: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    ...(resolved?.runtimeHandler !== undefined && { runtimeHandler: resolved.runtimeHandler }),
    fsGroup: spec.securityContext?.fsGroup,
    hostPorts: hostPortsOf(spec),
    volumes: resolved?.volumes ?? [],
    qosClass: qosClassOf(request.pod),
    resources: podResources(request.pod),
    notes: encodeMemory(memory),
  };
}

export function qosClassOf({ status }: Pod): QosClass {
  const word = status?.qosClass;
  return word === "Guaranteed" || word === "Burstable" ? word : "BestEffort";
}

/** What a container has no limit of is limited by the pod-level one, where there is one. */
export function runResources({ spec }: Pod, resources: ResourceRequirements = {}): ResourceRequirements {
  const podLevel = Object.entries(spec?.resources?.limits ?? {}).filter(
    ([name]) => name === "cpu" || name === "memory",
  );
  return podLevel.length === 0
    ? resources
    : { ...resources, limits: { ...Object.fromEntries(podLevel), ...resources.limits } };
}

export function podResources(pod: Pod): ResourceRequirements {
  const text = (amounts: Quantities): Readonly<Record<string, string>> =>
    Object.fromEntries([...amounts].map(([name, amount]) => [name, name === "cpu" ? `${amount}m` : `${amount}`]));
  return { requests: text(podRequests(pod)), limits: text(podLimits(pod)) };
}

function hostPortsOf(spec: PodSpec): SandboxSpec["hostPorts"] {
  return [...(spec.initContainers ?? []), ...spec.containers].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostIP, hostPort, containerPort, protocol }) =>
      hostPort === undefined || hostPort === 0
        ? []
        : [{ hostIP, hostPort, containerPort, protocol: protocol ?? "TCP" }],
    ),
  );
}

export function containerSpec(
  request: PodRequest,
  of: PodContainer,
  attempt: number,
  notes: RunNotes,
  values: LateValues,
): ContainerSpec {
  const { container, resolved } = of;
  const text = (value: Parameters<typeof completed>[0]): string => completed(value, values);
  const hosts = request.resolved?.hosts;
  const ownHosts = resolved?.mounts.some((mount) => mount.mountPath === "/etc/hosts") === true;
  return {
    podUid: request.owner.uid,
    name: of.name,
    attempt,
    image: resolved?.image ?? container.image ?? "",
    command: resolved?.command?.map(text),
    args: resolved?.args?.map(text),
    workingDir: container.workingDir,
    env: (resolved?.env ?? []).flatMap(({ name, value }) => {
      const known = completedOrNone(value, values);
      return known === undefined ? [] : [{ name, value: known }];
    }),
    mounts: (resolved?.mounts ?? []).map(({ subPath, ...mount }) => ({
      ...mount,
      subPath: subPath === undefined ? undefined : text(subPath),
    })),
    hosts: hosts === undefined || ownHosts ? undefined : text(hosts),
    hostsAdded: ownHosts ? undefined : request.resolved?.hostsAdded,
    tty: container.tty ?? false,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    terminationMessagePath: container.terminationMessagePath ?? "/dev/termination-log",
    security: securityOf(request.pod.spec ?? { containers: [] }, container),
    resources: runResources(request.pod, container.resources),
    podResources: podResources(request.pod),
    killRank: killRank(request.pod, container),
    targetContainer: of.target,
    notes: encodeRunNotes(notes),
  };
}

/** The container's word goes before the pod's. */
function securityOf(spec: PodSpec, container: Container): ContainerSpec["security"] {
  const pod = spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const shared = [
    ...(["runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions"] as const),
    ...(["seccompProfile", "appArmorProfile", "windowsOptions"] as const),
  ];
  const inherited: SecurityContext = Object.fromEntries(
    shared.flatMap((key) => (pod[key] === undefined ? [] : [[key, pod[key]]])),
  );
  const { supplementalGroups, supplementalGroupsPolicy } = pod;
  return { ...inherited, ...own, supplementalGroups, supplementalGroupsPolicy };
}
