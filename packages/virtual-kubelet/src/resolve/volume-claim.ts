// The persistent volume behind a pod's claim, read once: what is bound stays so.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { type KubeObject, type Resource, resource } from "../kube/resource.ts";
import type { PersistentVolumeClaim } from "../kube/types.gen.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { Provider } from "../provider.ts";
import type { ClaimedVolume } from "../resolved-pod.ts";
import type { Credential } from "./renewed-credentials.ts";
import type { ClaimSource } from "./sources.ts";

/** v1.PersistentVolume, as far as it is read. */
export interface PersistentVolume extends KubeObject {
  readonly spec?: Omit<ClaimedVolume, "name"> & { readonly claimRef?: { readonly uid?: string } };
}

export const persistentVolumeClaims: Resource<PersistentVolumeClaim> = resource(
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
  true,
);
export const persistentVolumes: Resource<PersistentVolume> = resource(
  "v1",
  "PersistentVolume",
  "persistentvolumes",
  false,
);

/** It changes no more; looked at again after a day all the same. */
const lifeMs = 365 * 24 * 3_600_000;
const lookAgainMs = 24 * 3_600_000;

export function claimKey({ podUid, namespace, name }: ClaimSource): string {
  return `${podUid}/${namespace}/${name}`;
}

/** Whether what claims are bound to is to be known for pods of a node: where its provider takes claims, and has pods resolved. */
export function claimsFor(
  nodes: readonly { readonly node: { readonly name: string }; readonly provider: Pick<Provider, "capabilities"> }[],
): (node: string) => boolean {
  const names = new Set(nodes.flatMap(({ node, provider }) => (takesClaims(provider.capabilities) ? [node.name] : [])));
  return (node) => names.has(node);
}

export function takesClaims({ resolve, volumes }: Capabilities = {}): boolean {
  return resolve === true && volumes?.includes("persistentVolumeClaim") === true;
}

/** By get alone, which is what nodes may. Throws NotFound, or Unavailable while the claim is not bound. */
export async function readClaim(
  client: KubeClient,
  { namespace, name }: ClaimSource,
  signal: AbortSignal,
): Promise<Credential<ClaimedVolume>> {
  const claim = await client.get(persistentVolumeClaims, { namespace, name }, { signal });
  const volumeName = claim.spec?.volumeName ?? "";
  if (volumeName === "") throw notBound(name);
  const volume = await client.get(persistentVolumes, { name: volumeName }, { signal });
  const value = claimedVolume(claim, volume);
  if (value === undefined) throw notBound(name);
  return { value, lifeMs, renewAfterMs: lookAgainMs };
}

/** Undefined: they are not of each other. Pure. */
export function claimedVolume(claim: PersistentVolumeClaim, volume: PersistentVolume): ClaimedVolume | undefined {
  const { claimRef, csi, nfs, mountOptions } = volume.spec ?? {};
  const uid = claim.metadata?.uid ?? "";
  if (claimRef?.uid !== undefined && uid !== "" && claimRef.uid !== uid) return undefined;
  return {
    name: volume.metadata?.name ?? "",
    ...(csi === undefined ? {} : { csi }),
    ...(nfs === undefined ? {} : { nfs }),
    ...(mountOptions === undefined ? {} : { mountOptions }),
  };
}

function notBound(name: string): VirtualKubeletError {
  return new VirtualKubeletError("Unavailable", `persistentvolumeclaim "${name}" is not bound`);
}
