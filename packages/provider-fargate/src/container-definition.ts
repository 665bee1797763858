// A container of a pod as one of a task definition. Pure.
import type { ContainerDefinition, KeyValuePair, MountPoint } from "@aws-sdk/client-ecs";
import type { PodOwner, PodSpec, ResolvedContainer } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, type PlacedContainer, withoutLateTexts } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { FargateConfig } from "./config.ts";
import { environmentOf, refuseSecretArguments } from "./environment.ts";
import { nativeProbe } from "./health-check.ts";
import type { SecretValues } from "./secret-values.ts";
import { securitySettings } from "./security.ts";
import type { Place } from "./start-order.ts";

/** Amounts of one container, where it has them: units of ECS and MiB. */
export interface ContainerAmounts {
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
  readonly memoryReservation?: number | undefined;
}

export interface DefinitionInput {
  readonly placed: PlacedContainer;
  readonly resolved: ResolvedContainer;
  readonly spec: PodSpec;
  readonly owner: PodOwner;
  readonly place: Place;
  readonly amounts: ContainerAmounts;
  readonly mounts: readonly MountPoint[];
  readonly secretValues: SecretValues;
  /** Secret with the credentials of the image's registry. */
  readonly pullSecret: string | undefined;
  readonly config: FargateConfig;
  /** Of the node, for status.hostIP. */
  readonly hostIPs: readonly string[] | undefined;
}

export interface DefinedContainer {
  readonly definition: ContainerDefinition;
  /** Variables of this pod alone, for the task's overrides. */
  readonly own: readonly KeyValuePair[];
  readonly notes: readonly CreateNote[];
}

/** Throws Unsupported or Invalid with the field. */
export function containerDefinition(input: DefinitionInput): DefinedContainer {
  const { placed, resolved, spec, owner, place, amounts, mounts, secretValues, pullSecret, config, hostIPs } = input;
  const { container, field } = placed;
  const linux = config.platform.operatingSystem === "LINUX";
  const security = securitySettings(placed, spec, linux);
  refuseSecretArguments(container, resolved, field);
  const process = withoutLateTexts(resolved, { field, spec: container, hostIPs });
  const { environment, secrets, own } = environmentOf(process.env, owner, secretValues);
  const { command, args } = process;
  const native = nativeProbe(placed.container);
  const rounded: CreateNote[] =
    native?.rounded === undefined
      ? []
      : [{ eventType: "Normal", reason: "ProbeRounded", message: `${field}.${native.type}Probe: ${native.rounded}` }];
  const definition: ContainerDefinition = {
    name: container.name,
    image: resolved.image,
    ...(pullSecret === undefined ? {} : { repositoryCredentials: { credentialsParameter: pullSecret } }),
    ...amounts,
    essential: place.essential,
    ...(place.dependsOn.length === 0 ? {} : { dependsOn: [...place.dependsOn] }),
    ...(place.restartPolicy === undefined ? {} : { restartPolicy: place.restartPolicy }),
    ...(command === undefined ? {} : { entryPoint: [...command] }),
    ...(args === undefined ? {} : { command: [...args] }),
    ...(container.workingDir === undefined ? {} : { workingDirectory: container.workingDir }),
    environment: [...environment],
    ...(secrets.length === 0 ? {} : { secrets: [...secrets] }),
    ...ports(container.ports),
    ...(mounts.length === 0 ? {} : { mountPoints: [...mounts] }),
    ...(native === undefined ? {} : { healthCheck: native.check }),
    stopTimeout: stopTimeout(spec),
    ...(container.tty === true ? { pseudoTerminal: true } : {}),
    ...(container.stdin === true ? { interactive: true } : {}),
    ...security.definition,
    ...logConfiguration(owner, config),
  };
  return { definition, own, notes: [...security.notes, ...rounded] };
}

/** Seconds; ECS takes 2 to 120. */
export function stopTimeout({
  terminationGracePeriodSeconds = 30,
}: Pick<PodSpec, "terminationGracePeriodSeconds">): number {
  return Math.min(Math.max(terminationGracePeriodSeconds, 2), 120);
}

export function logConfiguration(
  { namespace }: Pick<PodOwner, "namespace">,
  { logs, region }: Pick<FargateConfig, "logs" | "region">,
): Pick<ContainerDefinition, "logConfiguration"> {
  if (logs === undefined) return {};
  return {
    logConfiguration: {
      logDriver: "awslogs",
      options: { "awslogs-group": logs.group, "awslogs-region": region, "awslogs-stream-prefix": namespace },
    },
  };
}

function ports(all: PlacedContainer["container"]["ports"]): Pick<ContainerDefinition, "portMappings"> {
  // The same port by two names is one to ECS.
  const known = new Map(
    (all ?? []).map(({ containerPort, protocol = "TCP" }) => [
      `${containerPort}/${protocol}`,
      { containerPort, protocol: protocol === "UDP" ? ("udp" as const) : ("tcp" as const) },
    ]),
  );
  return known.size === 0 ? {} : { portMappings: [...known.values()] };
}
