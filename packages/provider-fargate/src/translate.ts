// A pod as a task on Fargate, whole: what is refused, what is rounded, what is made. Pure.
import { type Pod, type PodRequest, type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { ownerTags, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { podAmounts } from "./amounts.ts";
import { commandNotes } from "./command-rules.ts";
import type { FargateConfig } from "./config.ts";
import { containerDefinition, type DefinedContainer } from "./container-definition.ts";
import { filesHelper } from "./files-helper.ts";
import { keeperHelper } from "./keeper.ts";
import { keeperContainer, secretName } from "./names.ts";
import { pullCredentials } from "./pull-credentials.ts";
import { podNotes } from "./refusals.ts";
import { taskRole } from "./roles.ts";
import { SecretValues } from "./secret-values.ts";
import { sizeNotes, storageSize, taskSize } from "./sizes.ts";
import { startOrder } from "./start-order.ts";
import { containerTags, fittingOverrides, graceNotes, tagList, withSystemControls } from "./task-parts.ts";
import type { TaskPlan } from "./task-plan.ts";
import { taskVolumes } from "./volumes.ts";
import { whereToRun } from "./where-to-run.ts";

/** Containers of one task definition. */
export const mostContainers = 10;

/** Whether contents of volumes of running pods can be renewed at all. */
export function renewsVolumes({ updateVolumes, exec, helperImage, platform }: FargateConfig): boolean {
  return updateVolumes && exec && helperImage !== "" && platform.operatingSystem === "LINUX";
}

/** Throws Unsupported or Invalid, with the field. */
export function translate(request: PodRequest, config: FargateConfig, hostIPs?: readonly string[]): TaskPlan {
  const { pod, owner, revision, resolved } = request;
  if (resolved === undefined) throw new VirtualKubeletError("Internal", "a pod came without what it refers to");
  const spec = specOf(pod);
  const linux = config.platform.operatingSystem === "LINUX";
  const { role, notes: roleNotes } = taskRole(pod, resolved, config);
  const canExec = config.exec && role !== "";
  const notes = [...roleNotes, ...podNotes(spec, linux), ...graceNotes(spec), ...commandNotes(spec, canExec)];
  const amounts = podAmounts(spec);
  const size = taskSize(amounts.wanted, config.platform.operatingSystem);
  notes.push(...sizeNotes(amounts.wanted, size));
  const volumes = taskVolumes(spec, resolved);
  const storage = storageSize(Math.max(amounts.ephemeralStorage, volumes.scratchBytes), "spec.volumes");
  const secretValues = new SecretValues(secretName(config.secrets.prefix, owner, "pod"));
  const pull = pullCredentials(
    resolved.containers.map(({ image }) => image),
    resolved.imageCredentials,
    owner,
    config.secrets.prefix,
  );
  const files = filesHelper({ spec, resolved, owner, volumes: volumes.volumes, secretValues, config });
  const hasFiles = files.definition !== undefined;
  // It is done without where there is no room for one more.
  const hasRoom = placedContainers(spec).length + 2 <= mostContainers;
  const renews = renewsVolumes(config) && canExec && files.renewable.length > 0 && hasRoom;
  const places = startOrder(spec, { files: hasFiles, renews, helperImage: config.helperImage });
  const containers = placedContainers(spec).flatMap((placed): readonly DefinedContainer[] => {
    const { name } = placed.container;
    const known = resolved.containers.find((each) => each.name === name);
    const place = places.get(name);
    if (known === undefined || place === undefined) return [];
    return [
      containerDefinition({
        ...{ placed, resolved: known, spec, owner, place, secretValues, config, hostIPs },
        amounts: amounts.containers.get(name) ?? {},
        mounts: volumes.mounts.get(name) ?? [],
        pullSecret: pull.secretOf.get(known.image),
      }),
    ];
  });
  const keeper = places.get(keeperContainer);
  const fitting = fittingOverrides(containers);
  const definitions = [
    ...(files.definition === undefined ? [] : [files.definition]),
    ...fitting.definitions,
    ...(keeper === undefined ? [] : [keeperHelper(keeper, renews ? files.renewable : [], owner, config)]),
  ];
  if (definitions.length > mostContainers)
    throw new VirtualKubeletError(
      "Unsupported",
      `a task has at most ${mostContainers} containers; the pod makes ${definitions.length}, helpers included`,
      { field: "spec.containers" },
    );
  const podSecret = secretValues.planned();
  const secrets = [...(podSecret === undefined ? [] : [podSecret]), ...pull.secrets];
  if (secrets.length > 0 && config.executionRoleARN === "")
    throw new VirtualKubeletError(
      "Unsupported",
      "the pod has secrets (variables, files, or credentials of a registry), which an execution role brings: executionRoleARN is not configured",
      { field: "spec" },
    );
  const tags = tagList({ ...config.tags, ...ownerTags(owner, revision), ...containerTags(spec) });
  return {
    definition: {
      networkMode: "awsvpc",
      requiresCompatibilities: ["FARGATE"],
      cpu: `${size.cpu}`,
      memory: `${size.memory}`,
      runtimePlatform: {
        operatingSystemFamily: config.platform.operatingSystem,
        cpuArchitecture: config.platform.architecture,
      },
      ...(config.executionRoleARN === "" ? {} : { executionRoleArn: config.executionRoleARN }),
      ...(role === "" ? {} : { taskRoleArn: role }),
      ...(storage === undefined ? {} : { ephemeralStorage: { sizeInGiB: storage } }),
      ...(spec.shareProcessNamespace === true ? { pidMode: "task" } : {}),
      ...(volumes.volumes.length === 0 ? {} : { volumes: [...volumes.volumes] }),
      containerDefinitions: withSystemControls(definitions, spec),
    },
    run: {
      ...whereToRun(pod, config),
      cluster: config.cluster,
      count: 1,
      clientToken: owner.uid,
      startedBy: owner.uid,
      enableECSManagedTags: true,
      enableExecuteCommand: canExec,
      tags,
      ...(fitting.overrides.length === 0 ? {} : { overrides: { containerOverrides: [...fitting.overrides] } }),
    },
    secrets,
    notes: [...notes, ...volumes.notes, ...files.notes, ...pull.notes, ...containers.flatMap((each) => each.notes)],
  };
}

function specOf({ spec }: Pick<Pod, "spec">): PodSpec {
  if (spec === undefined) throw new VirtualKubeletError("Invalid", "the pod has no spec", { field: "spec" });
  return spec;
}
