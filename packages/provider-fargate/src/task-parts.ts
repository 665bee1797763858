// Parts of a task that are made of the whole pod: tags, sysctls, overrides, what is told of the grace. Pure.
import type { ContainerDefinition, ContainerOverride, Tag } from "@aws-sdk/client-ecs";
import { effectivePolicy, type PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type DefinedContainer, stopTimeout } from "./container-definition.ts";
import { nativeProbe } from "./health-check.ts";
import { containerTag } from "./names.ts";

/** Characters that ECS takes of all overrides, less some for what it adds. */
const mostOverrides = 7500;

export interface FittingOverrides {
  readonly definitions: readonly ContainerDefinition[];
  readonly overrides: readonly ContainerOverride[];
}

/** Variables of this pod alone stand in overrides, so that its definition can be shared; those beyond what fits in the definition. */
export function fittingOverrides(containers: readonly DefinedContainer[]): FittingOverrides {
  let room = mostOverrides;
  const overrides: ContainerOverride[] = [];
  const definitions = containers.map(({ definition, own }) => {
    const override = { name: definition.name, environment: [...own] };
    const length = JSON.stringify(override).length;
    if (own.length === 0) return definition;
    if (length > room) return { ...definition, environment: [...(definition.environment ?? []), ...own] };
    room -= length;
    overrides.push(override);
    return definition;
  });
  return { definitions, overrides };
}

export function tagList(tags: Readonly<Record<string, string>>): Tag[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** What its reports are read by, also by a program that started after it. */
export function containerTags(spec: PodSpec): Readonly<Record<string, string>> {
  return Object.fromEntries(
    placedContainers(spec).map((placed) => {
      const { container, kind } = placed;
      const policy = kind === "sidecar" ? "Always" : (spec.restartPolicy ?? "Always");
      const own = kind === "main" ? effectivePolicy(container, spec) : policy;
      return [containerTag(container.name), `${kind} ${own} ${nativeProbe(placed.container)?.type ?? "-"}`];
    }),
  );
}

/** All containers share the network that most are of: the first one sets them. */
export function withSystemControls(
  definitions: readonly ContainerDefinition[],
  { securityContext }: PodSpec,
): ContainerDefinition[] {
  const sysctls = (securityContext?.sysctls ?? []).map(({ name, value }) => ({ namespace: name, value }));
  return definitions.map((definition, index) =>
    index === 0 && sysctls.length > 0 ? { ...definition, systemControls: sysctls } : definition,
  );
}

export function graceNotes(spec: PodSpec): readonly CreateNote[] {
  const wanted = spec.terminationGracePeriodSeconds ?? 30;
  const given = stopTimeout(spec);
  if (wanted <= given) return [];
  const message = `spec.terminationGracePeriodSeconds: ${wanted} s became ${given} s, the most that Fargate gives`;
  return [{ eventType: "Warning", reason: "GracePeriodCut", message }];
}
