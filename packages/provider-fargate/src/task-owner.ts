// Whose a task is: by the tags of this program, or by the names of the Go provider. Pure.
import type { Task } from "@aws-sdk/client-ecs";
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import { ownerOf } from "@virtual-kubelet/virtual-kubelet/cloud";
import { familyOfArn } from "./names.ts";

export interface NodeIdentity {
  /** UID of the Kubernetes cluster. */
  readonly cluster: string;
  readonly node: string;
  readonly adoptGoTasks: boolean;
}

export interface TaskOwner {
  readonly owner: PodOwner;
  readonly clusterUnknown?: true | undefined;
}

export function tagsOf({ tags = [] }: Pick<Task, "tags">): Readonly<Record<string, string>> {
  return Object.fromEntries(tags.map(({ key = "", value = "" }) => [key, value]));
}

/** Undefined: not of this node. */
export function taskOwner(task: Task, { cluster, node, adoptGoTasks }: NodeIdentity): TaskOwner | undefined {
  const owner = ownerOf(tagsOf(task));
  if (owner !== undefined) return owner.cluster === cluster && owner.node === node ? { owner } : undefined;
  if (!adoptGoTasks) return undefined;
  // vk-podspec_CLUSTER_NAMESPACE_POD, and the UID in startedBy: none of the names holds an underscore. Neither node nor cluster is told.
  const parts = familyOfArn(task.taskDefinitionArn ?? "").split("_");
  const [prefix, , namespace, name, ...more] = parts;
  const uid = task.startedBy ?? "";
  if (prefix !== "vk-podspec" || namespace === undefined || name === undefined || more.length > 0 || uid === "")
    return undefined;
  return { owner: { cluster, node, namespace, name, uid }, clusterUnknown: true };
}
