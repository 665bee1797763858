// How messages name a pod.
import type { PodOwner } from "../provider/pods.ts";

/** "name_namespace(uid)". */
export function podText({ name, namespace, uid }: PodOwner): string {
  return `${name}_${namespace}(${uid})`;
}
