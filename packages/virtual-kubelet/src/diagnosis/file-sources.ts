// What pods may refer to, from the documents of one file: for resolving them without a cluster.
import type { Stored } from "../kube/resource.ts";
import type { Node, ObjectMeta, Secret } from "../kube/types.gen.ts";
import type { Sources, View } from "../resolve/sources.ts";
import { claimedVolume } from "../resolve/volume-claim.ts";
import type { ClaimedVolume } from "../resolved-pod.ts";
import type { Documents } from "./pod-documents.ts";

/** Whatever is not in the file is absent, but for what the cluster makes itself: tokens. */
export function fileSources(documents: Documents, node: Stored<Node>): Sources {
  const secrets = documents.secrets.map(encoded);
  return {
    configMap: (namespace, name) => found(documents.configMaps, namespace, name),
    secret: (namespace, name) => found(secrets, namespace, name),
    services: () => ({ state: "found", value: [] }),
    claim: ({ namespace, name }) => claimed(documents, namespace, name),
    token: () => ({ state: "found", value: "token" }),
    trustBundles: () => ({ state: "found", value: [] }),
    certificate: () => ({ state: "absent" }),
    runtimeClass: () => ({ state: "absent" }),
    node: () => ({ state: "found", value: node }),
  };
}

function found<T extends { readonly metadata?: ObjectMeta }>(
  objects: readonly T[],
  namespace: string,
  name: string,
): View<Stored<T>> {
  const object = objects.find(
    ({ metadata }) => metadata?.name === name && (metadata.namespace ?? "default") === namespace,
  );
  if (object === undefined) return { state: "absent" };
  return {
    state: "found",
    value: { ...object, metadata: { ...object.metadata, name, namespace, uid: "", resourceVersion: "0" } },
  };
}

function claimed({ claims, persistentVolumes }: Documents, namespace: string, name: string): View<ClaimedVolume> {
  const claim = found(claims, namespace, name);
  if (claim.state !== "found") return { state: "absent" };
  const { volumeName } = claim.value.spec ?? {};
  const volume = persistentVolumes.find(({ metadata }) => metadata?.name === volumeName);
  const value = volume === undefined ? undefined : claimedVolume(claim.value, volume);
  if (value !== undefined) return { state: "found", value };
  return { state: "unreadable", message: `persistentvolumeclaim "${name}" is not bound` };
}

/** As the API server does with stringData. */
function encoded(secret: Secret): Secret {
  const own = Object.entries(secret.stringData ?? {}).map(([key, text]): [string, string] => [
    key,
    Buffer.from(String(text)).toString("base64"),
  ]);
  return { ...secret, data: { ...secret.data, ...Object.fromEntries(own) } };
}
