// Whom the files of a pod's volumes are to belong to. Pure.
import type { Pod } from "../kube/types.gen.ts";

export interface FileOwner {
  /** The one user that all containers run as, where the spec says so. */
  readonly uid: number | undefined;
  /** There is a group that all files belong to (fsGroup). */
  readonly group: boolean;
}

export function fileOwner({ spec }: Pod): FileOwner {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec?.securityContext?.runAsUser),
  );
  const [only] = users;
  return { uid: users.size === 1 ? only : undefined, group: spec?.securityContext?.fsGroup !== undefined };
}
