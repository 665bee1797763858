// Names of what is made in the account for a pod: whose they are can be told by them. Pure.
import { createHash } from "node:crypto";
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";

/** Containers of ours in a task. No name of a pod's container holds an underscore. */
export const filesContainer = "vk_files";
/** Runs until the task is stopped: so that main containers end one by one, and to write new contents into volumes. */
export const keeperContainer = "vk_keeper";

/** Where containers of ours have a volume of the pod. */
export function helperPath(volume: string): string {
  return `/vk/${volume}`;
}

export function isHelper(container: string): boolean {
  return container.startsWith("vk_");
}

function hashOf(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

/** Of the families of one node's task definitions, with the hyphen at its end. */
export function familyPrefix({ cluster, node }: Pick<PodOwner, "cluster" | "node">): string {
  return `vk-${hashOf(JSON.stringify([cluster, node]), 16)}-`;
}

/** The same for the same content. */
export function familyOf(owner: Pick<PodOwner, "cluster" | "node">, content: string): string {
  return `${familyPrefix(owner)}${hashOf(content, 32)}`;
}

export function familyOfArn(taskDefinitionArn: string): string {
  return /\/([^/:]+)(?::\d+)?$/.exec(taskDefinitionArn)?.[1] ?? taskDefinitionArn;
}

/** `part`: "pod" for its environment and files, or one of its registries. At most 512 characters of what Secrets Manager takes. */
export function secretName(prefix: string, { cluster, node, uid }: PodOwner, part: string): string {
  return `${prefix}/${cluster}/${node}/${uid}/${part}`;
}

/** Whose secrets all begin so. */
export function secretNamePrefix(prefix: string, { cluster, node }: Pick<PodOwner, "cluster" | "node">): string {
  return `${prefix}/${cluster}/${node}/`;
}

export function taskIdOf(taskArn: string): string {
  return taskArn.slice(taskArn.lastIndexOf("/") + 1);
}

/** Each container of each task has a stream of its own. */
export function logStream(streamPrefix: string, container: string, taskArn: string): string {
  return `${streamPrefix}/${container}/${taskIdOf(taskArn)}`;
}

const containerTagPrefix = "virtual-kubelet.io/container/";

/** Key of a task's tag for each container of the pod, with what factsOf reads. */
export function containerTag(container: string): string {
  return `${containerTagPrefix}${container}`;
}

/** Undefined: not such a key. */
export function containerOfTag(key: string): string | undefined {
  return key.startsWith(containerTagPrefix) ? key.slice(containerTagPrefix.length) : undefined;
}
