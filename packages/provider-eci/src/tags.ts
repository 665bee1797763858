// Whose a group is. Keys and values of the cloud's tags are of 128 characters at most, and twenty on a group. Pure.
import type { PodOwner } from "@virtual-kubelet/virtual-kubelet";
import { goOwnerOf, ownerOf, ownerTags, revisionOf } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Tag } from "./wire.ts";

const longest = 128;
/** The rest of a pod's name that is too long for one tag. */
const moreOfName = "virtual-kubelet.io/name-2";

/** In a fixed order. */
export function tagsOf(
  owner: PodOwner,
  revision: string,
  others: Readonly<Record<string, string>> = {},
): readonly Tag[] {
  const { "virtual-kubelet.io/name": name = "", ...rest } = ownerTags(owner, revision);
  const own = {
    ...rest,
    "virtual-kubelet.io/name": name.slice(0, longest),
    ...(name.length > longest && { [moreOfName]: name.slice(longest) }),
  };
  return Object.entries({ ...others, ...own }).map(([Key, Value]) => ({ Key, Value }));
}

/** Those by which the groups of a node are found. */
export function nodeTags({ cluster, node }: Pick<PodOwner, "cluster" | "node">): readonly Tag[] {
  return [
    { Key: "virtual-kubelet.io/cluster", Value: cluster },
    { Key: "virtual-kubelet.io/node", Value: node },
  ];
}

/** Those of one pod. */
export function podTags({ cluster, uid }: Pick<PodOwner, "cluster" | "uid">): readonly Tag[] {
  return [
    { Key: "virtual-kubelet.io/cluster", Value: cluster },
    { Key: "virtual-kubelet.io/uid", Value: uid },
  ];
}

/** By which the groups of the Go provider are found. */
export function goNodeTags({ node }: Pick<PodOwner, "node">): readonly Tag[] {
  return [{ Key: "NodeName", Value: node }];
}

export interface TaggedOwner {
  readonly owner: PodOwner;
  readonly clusterUnknown?: true | undefined;
}

/** Undefined: of another node, another cluster, or nobody's to touch. */
export function taggedOwner(
  tags: readonly Tag[],
  {
    node,
    cluster,
    adoptGoGroups,
  }: { readonly node: string; readonly cluster: string; readonly adoptGoGroups: boolean },
): TaggedOwner | undefined {
  const byKey = Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]));
  const own = ownerOf(byKey);
  if (own !== undefined) {
    if (own.node !== node || own.cluster !== cluster) return undefined;
    return { owner: { ...own, name: own.name + (byKey[moreOfName] ?? "") } };
  }
  return adoptGoGroups ? goOwnerOf(byKey, { node, cluster }) : undefined;
}

export function taggedRevision(tags: readonly Tag[]): string | undefined {
  return revisionOf(Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])));
}
