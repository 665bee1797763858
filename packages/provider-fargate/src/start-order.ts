// In what order the containers of a task start, which of them end it, and which are started again. Pure.
import type { ContainerDependency, ContainerRestartPolicy } from "@aws-sdk/client-ecs";
import { effectivePolicy, type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type PlacedContainer, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { nativeProbe } from "./health-check.ts";
import { filesContainer, keeperContainer } from "./names.ts";

export interface Place {
  /** With its end that of the whole task begins. */
  readonly essential: boolean;
  readonly dependsOn: readonly ContainerDependency[];
  readonly restartPolicy?: ContainerRestartPolicy | undefined;
}

/** ECS starts a container again only when it ran for so long, seconds: the least that it takes. */
const restartAttemptPeriod = 60;

/**
 * By container. A task ends with the first of its essential containers: where main containers may end for good one by one, a
 * keeper beside them is the essential one. `renews`: contents of volumes are renewed, by a keeper. Throws Unsupported with the field.
 */
export function startOrder(
  spec: PodSpec,
  { files, renews, helperImage }: { readonly files: boolean; readonly renews: boolean; readonly helperImage: string },
): ReadonlyMap<string, Place> {
  const placed = placedContainers(spec);
  const mains = placed.filter(({ kind }) => kind === "main");
  const keeper = mains.length > 1 && mains.some(({ container }) => effectivePolicy(container, spec) !== "Always");
  if (keeper && helperImage === "")
    throw new VirtualKubeletError(
      "Unsupported",
      "main containers that end while others go on need a helper container: helperImage is not configured",
      { field: "spec.containers" },
    );
  const places = new Map<string, Place>();
  let before: readonly ContainerDependency[] = [];
  if (files) {
    places.set(filesContainer, { essential: false, dependsOn: [] });
    before = [{ containerName: filesContainer, condition: "SUCCESS" }];
  }
  for (const each of placed) {
    const { container, kind } = each;
    const restartPolicy = restartPolicyOf(each, spec);
    places.set(container.name, {
      essential: kind === "main" && !keeper,
      dependsOn: before,
      ...(restartPolicy === undefined ? {} : { restartPolicy }),
    });
    if (kind === "init") before = [...running(before), { containerName: container.name, condition: "SUCCESS" }];
    if (kind === "sidecar") before = [...before, { containerName: container.name, condition: sidecarCondition(each) }];
  }
  if (keeper) places.set(keeperContainer, { essential: true, dependsOn: before });
  else if (renews)
    places.set(keeperContainer, {
      ...{ essential: false, dependsOn: before },
      restartPolicy: { enabled: true, restartAttemptPeriod },
    });
  return places;
}

/** What has ended is implied by what waited for it; sidecars are named on, so that they are stopped last. */
function running(before: readonly ContainerDependency[]): readonly ContainerDependency[] {
  return before.filter(({ condition }) => condition !== "SUCCESS");
}

function sidecarCondition(placed: PlacedContainer): "START" | "HEALTHY" {
  const { startupProbe } = placed.container;
  if (startupProbe === undefined) return "START";
  if (nativeProbe(placed.container)?.type === "startup") return "HEALTHY";
  throw new VirtualKubeletError(
    "Unsupported",
    "ECS lets containers wait for a sidecar by a command alone: a startup probe of type exec",
    { field: `${placed.field}.startupProbe` },
  );
}

/** Init containers are not started again: what waits for their success would wait for ever. */
function restartPolicyOf(
  { container, kind, field }: PlacedContainer,
  spec: PodSpec,
): ContainerRestartPolicy | undefined {
  if ((container.restartPolicyRules ?? []).length > 0)
    throw new VirtualKubeletError("Unsupported", "ECS knows no restarts by exit code", {
      field: `${field}.restartPolicyRules`,
    });
  const policy = effectivePolicy(container, spec);
  if (kind === "init" || policy === "Never") return undefined;
  return {
    enabled: true,
    ...(policy === "OnFailure" ? { ignoredExitCodes: [0] } : {}),
    restartAttemptPeriod,
  };
}
