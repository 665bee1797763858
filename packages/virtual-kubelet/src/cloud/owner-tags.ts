// Whose a thing of a cloud is, written on it as tags: by this program, and by the Go providers before it.
import type { PodOwner } from "../provider/pods.ts";

export interface TagOptions {
  /** Between the domain and the rest of a key. Default "/"; "." where keys may hold none. */
  readonly separator?: string | undefined;
}

type Tags = Readonly<Record<string, string | null | undefined>>;

const fields = ["cluster", "node", "namespace", "name", "uid", "revision"] as const;

function keyOf(field: (typeof fields)[number], { separator = "/" }: TagOptions): string {
  return `virtual-kubelet.io${separator}${field}`;
}

/** Values are as long as Kubernetes' names: 253 characters at most. */
export function ownerTags(owner: PodOwner, revision: string, options: TagOptions = {}): Record<string, string> {
  return Object.fromEntries(
    fields.map((field) => [keyOf(field, options), field === "revision" ? revision : owner[field]]),
  );
}

/** Undefined where one of the five is missing: then it is not known whose it is, and it is nobody's to touch. */
export function ownerOf(tags: Tags, options: TagOptions = {}): PodOwner | undefined {
  const value = (field: (typeof fields)[number]): string => tagOf(tags, keyOf(field, options));
  const owner = {
    ...{ cluster: value("cluster"), node: value("node") },
    ...{ namespace: value("namespace"), name: value("name"), uid: value("uid") },
  };
  return Object.values(owner).includes("") ? undefined : owner;
}

export function revisionOf(tags: Tags, options: TagOptions = {}): string | undefined {
  const revision = tagOf(tags, keyOf("revision", options));
  return revision === "" ? undefined : revision;
}

/** What a Go provider made for this node. It wrote no cluster: the one given stands in for it. To be spread into a CloudGroup. */
export function goOwnerOf(
  tags: Tags,
  { node, cluster }: Pick<PodOwner, "node" | "cluster">,
): { readonly owner: PodOwner; readonly clusterUnknown: true } | undefined {
  const [name, namespace, uid] = [tagOf(tags, "PodName"), tagOf(tags, "Namespace"), tagOf(tags, "UID")];
  if (tagOf(tags, "NodeName") !== node || name === "" || namespace === "" || uid === "") return undefined;
  return { owner: { cluster, node, namespace, name, uid }, clusterUnknown: true };
}

/** Some clouds take keys that differ by case alone for the same, and give back what case they like. */
function tagOf(tags: Tags, key: string): string {
  if (Object.hasOwn(tags, key)) return tags[key] ?? "";
  const same = Object.keys(tags).find((each) => each.toLowerCase() === key.toLowerCase());
  return same === undefined ? "" : (tags[same] ?? "");
}
