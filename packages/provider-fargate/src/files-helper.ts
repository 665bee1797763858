// The container that runs before all others: brings files into their volumes and lets containers without root write into the others.
// Pure.
import type { ContainerDefinition, KeyValuePair, MountPoint, Secret, Volume } from "@aws-sdk/client-ecs";
import { type PodOwner, type PodSpec, type ResolvedPod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import {
  type CreateNote,
  type DeliveredVolume,
  fileDelivery,
  placedContainers,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import type { FargateConfig } from "./config.ts";
import { logConfiguration } from "./container-definition.ts";
import { filesContainer, helperPath } from "./names.ts";
import type { SecretValues } from "./secret-values.ts";

export interface FilesInput {
  readonly spec: PodSpec;
  readonly resolved: Pick<ResolvedPod, "volumes">;
  readonly owner: PodOwner;
  /** Of the task. */
  readonly volumes: readonly Volume[];
  readonly secretValues: SecretValues;
  readonly config: FargateConfig;
}

export interface FilesHelper {
  readonly definition?: ContainerDefinition | undefined;
  /** Of volumes whose contents may change: for a container that writes what is new. */
  readonly renewable: readonly MountPoint[];
  readonly notes: readonly CreateNote[];
}

/** Characters of packed files: a task definition has 64 KiB for all that is in it, a secret of Secrets Manager as much. */
const limits = { plain: 40_000, secret: 60_000 };

/** Throws Unsupported with the field. */
export function filesHelper({ spec, resolved, owner, volumes, secretValues, config }: FilesInput): FilesHelper {
  const gid = spec.securityContext?.fsGroup;
  const mounted = volumes.flatMap(({ name = "", host }) => (host === undefined ? [] : [name]));
  const delivered = resolved.volumes.flatMap((volume): readonly (DeliveredVolume & { readonly volume: string })[] => {
    if (volume.type !== "files" || !mounted.includes(volume.name)) return [];
    const index = (spec.volumes ?? []).findIndex(({ name }) => name === volume.name);
    return [
      { volume: volume.name, path: helperPath(volume.name), files: volume.files, field: `spec.volumes[${index}]` },
    ];
  });
  const scratch = mounted.filter((name) => !delivered.some(({ volume }) => volume === name));
  const [first] = delivered;
  const opened = scratch.length > 0 && (first !== undefined || gid !== undefined || hasOthersThanRoot(spec));
  if (first === undefined && !opened) return { renewable: [], notes: [] };
  const fault = helperFault(config);
  if (fault !== undefined) {
    if (first !== undefined)
      throw new VirtualKubeletError("Unsupported", `files come into volumes by a helper container: ${fault}`, {
        field: first.field,
      });
    const message = `spec.volumes: emptyDir volumes belong to root, and containers without it may not write there: ${fault}`;
    return { renewable: [], notes: [{ eventType: "Warning", reason: "FieldIgnored", message }] };
  }
  const isSecret = ({ files }: DeliveredVolume): boolean => files.some(({ secret }) => secret);
  const group = gid === undefined ? {} : { gid };
  const environment: KeyValuePair[] = [];
  const secrets: Secret[] = [];
  const scripts: string[] = [];
  const plain = delivered.filter((volume) => !isSecret(volume));
  if (plain.length > 0) {
    const { variables, script } = fileDelivery(plain, { ...group, totalLimit: limits.plain });
    environment.push(...variables);
    scripts.push(script);
  }
  const secret = delivered.filter(isSecret);
  if (secret.length > 0) {
    const { variables, script } = fileDelivery(secret, {
      ...group,
      totalLimit: limits.secret,
      prefix: "VK_SECRET_FILES_",
    });
    secrets.push(...variables.map(({ name, value }) => ({ name, valueFrom: secretValues.add(value) })));
    scripts.push(script);
  }
  if (opened) scripts.push(openScript(scratch, gid));
  return {
    definition: {
      name: filesContainer,
      image: config.helperImage,
      essential: false,
      entryPoint: ["/bin/sh", "-c"],
      command: [scripts.join("\n")],
      environment,
      ...(secrets.length === 0 ? {} : { secrets }),
      mountPoints: [...mounted].sort().map(mountPoint),
      user: "0",
      stopTimeout: 2,
      ...logConfiguration(owner, config),
    },
    renewable: delivered
      .map(({ volume }) => volume)
      .sort()
      .map(mountPoint),
    notes: [],
  };
}

function mountPoint(volume: string): MountPoint {
  return { sourceVolume: volume, containerPath: helperPath(volume), readOnly: false };
}

/** As kubelets make them: for everybody; with an fsGroup what is made there is the group's. */
function openScript(volumes: readonly string[], gid: number | undefined): string {
  const paths = volumes.map(helperPath).join(" ");
  return [
    ...(gid === undefined ? [] : [`chgrp ${gid} ${paths}`]),
    `chmod ${gid === undefined ? "0777" : "2777"} ${paths}`,
  ].join("\n");
}

function hasOthersThanRoot(spec: PodSpec): boolean {
  const pod = spec.securityContext ?? {};
  return placedContainers(spec).some(({ container: { securityContext = {} } }) => {
    const user = securityContext.runAsUser ?? pod.runAsUser;
    return (user !== undefined && user !== 0) || (securityContext.runAsNonRoot ?? pod.runAsNonRoot) === true;
  });
}

function helperFault({ helperImage, platform }: FargateConfig): string | undefined {
  if (helperImage === "") return "helperImage is not configured";
  return platform.operatingSystem === "LINUX" ? undefined : "there is none for Windows";
}
