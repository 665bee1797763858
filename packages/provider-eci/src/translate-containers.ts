// The containers of a pod as a group has them. Pure.
import {
  type Container,
  type LateText,
  type PodSpec,
  type ResolvedContainer,
  type ResolvedPod,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { unsupported, withoutLateTexts } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";
import { gpusOf, portsOf } from "./container-needs.ts";
import { translatedHooks, translatedProbes } from "./probes.ts";
import { containerSecurity } from "./security.ts";
import type { GroupSizes } from "./sizes.ts";
import type { Container as CloudContainer, EnvironmentVar, InitContainer, VolumeMount } from "./wire.ts";

export interface ContainersInput {
  readonly spec: PodSpec;
  readonly resolved: ResolvedPod;
  readonly sizes: GroupSizes;
  readonly config: EciConfig;
  /** Volumes that must stay writable, to be renewed. */
  readonly writable: ReadonlySet<string>;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
}

/** Of the cloud's list of arguments; a command takes more. */
const mostArguments = 10;

/** Throws Unsupported with the field. */
export function translatedContainers(input: ContainersInput): {
  readonly initContainers: readonly InitContainer[];
  readonly containers: readonly CloudContainer[];
} {
  const { spec } = input;
  const initContainers = (spec.initContainers ?? []).map((container, index) =>
    common(container, `spec.initContainers[${index}]`, input),
  );
  const containers = spec.containers.map((container, index): CloudContainer => {
    const path = `spec.containers[${index}]`;
    const limits = input.sizes.limits.get(container.name) ?? {};
    const gpus = gpusOf(container);
    return {
      ...common(container, path, input),
      ...(limits.cpu !== undefined && { Cpu: limits.cpu }),
      ...(limits.memory !== undefined && { Memory: limits.memory }),
      ...(gpus > 0 && { Gpu: gpus }),
      ...(container.stdin === true && { Stdin: true }),
      ...(container.stdinOnce === true && { StdinOnce: true }),
      ...(container.tty === true && { Tty: true }),
      ...translatedProbes(container),
      ...translatedHooks(container, path),
    };
  });
  return { initContainers, containers };
}

function common(container: Container, path: string, input: ContainersInput): CloudContainer {
  const { spec, resolved, config } = input;
  const given = resolved.containers.find(({ name }) => name === container.name);
  if (given === undefined) throw new VirtualKubeletError("Internal", `${path} is not resolved`);
  const { workingDir = "", terminationMessagePath, terminationMessagePolicy } = container;
  const ports = portsOf(container, path);
  const mounts = mountsOf(given, path, input);
  const { security } = containerSecurity(container, spec, path, config);
  const { command, args, env } = processOf(container, given, path, input);
  const isHidden = env.some(({ secret }) => secret);
  const isInit = path.startsWith("spec.initContainers");
  return {
    ...{ Name: container.name, Image: given.image, ImagePullPolicy: given.imagePullPolicy },
    ...(command !== undefined && command.length > 0 && { Command: command }),
    ...(args !== undefined && args.length > 0 && { Arg: args }),
    ...(workingDir !== "" && { WorkingDir: workingDir }),
    ...(env.length > 0 && { EnvironmentVar: env.map(({ variable }) => variable) }),
    ...(isHidden && !isInit && { EnvironmentVarHide: true }),
    ...(ports.length > 0 && { Port: ports }),
    ...(mounts.length > 0 && { VolumeMount: mounts }),
    ...security,
    ...(terminationMessagePath !== undefined &&
      terminationMessagePath !== "/dev/termination-log" && { TerminationMessagePath: terminationMessagePath }),
    ...(terminationMessagePolicy === "FallbackToLogsOnError" && { TerminationMessagePolicy: terminationMessagePolicy }),
  };
}

interface Variable {
  readonly variable: EnvironmentVar;
  readonly secret: boolean;
}

/** The cloud knows the pod's address where it is all of a variable; elsewhere a shell of the image finds it out. */
function processOf(
  container: Container,
  given: ResolvedContainer,
  path: string,
  { hostIPs }: ContainersInput,
): {
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env: readonly Variable[];
} {
  const native = new Set(given.env.filter(({ value }) => isPodIP(value)).map(({ name }) => name));
  const rest = { ...given, env: given.env.filter(({ name }) => !native.has(name)) };
  const plain = withoutLateTexts(rest, { field: path, spec: container, hostIPs });
  const env = [
    ...given.env.flatMap(({ name }): Variable[] => {
      if (native.has(name))
        return [{ variable: { Key: name, FieldRef: { FieldPath: "status.podIP" } }, secret: false }];
      return plain.env.flatMap((each) =>
        each.name === name ? [{ variable: { Key: name, Value: each.value }, secret: each.secret === true }] : [],
      );
    }),
    ...plain.env.flatMap((each): Variable[] =>
      given.env.some(({ name }) => name === each.name)
        ? []
        : [{ variable: { Key: each.name, Value: each.value }, secret: each.secret === true }],
    ),
  ];
  const { command = [], args = [] } = plain;
  // The command's list takes what the other has no room for.
  return command.length > 0 && args.length > mostArguments
    ? { command: [...command, ...args], env }
    : { command, args, env };
}

function isPodIP(text: LateText): boolean {
  const [part, ...others] = typeof text === "string" ? [] : text;
  return (
    part !== undefined &&
    others.length === 0 &&
    typeof part !== "string" &&
    "fieldPath" in part &&
    (part.fieldPath === "status.podIP" || part.fieldPath === "status.podIPs")
  );
}

function mountsOf({ mounts }: ResolvedContainer, path: string, { writable }: ContainersInput): readonly VolumeMount[] {
  return mounts.map(({ volume, mountPath, readOnly, subPath, mountPropagation }, index) => {
    if (subPath !== undefined && typeof subPath !== "string")
      throw unsupported(
        `${path}.volumeMounts[${index}].subPathExpr`,
        "addresses of the pod are not known when it is mounted",
      );
    return {
      ...{ Name: volume, MountPath: mountPath },
      ...(subPath !== undefined && subPath !== "" && { SubPath: subPath }),
      ...(readOnly && !writable.has(volume) && { ReadOnly: true }),
      ...(mountPropagation !== undefined && { MountPropagation: mountPropagation }),
    };
  });
}
