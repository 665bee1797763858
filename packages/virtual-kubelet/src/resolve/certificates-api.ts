// The resources of certificates.k8s.io that not every API server has, in the version that it has.

import { isErrorKind } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { type KubeObject, type Resource, resource } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import type { ClusterTrustBundle } from "./sources.ts";

const group = "certificates.k8s.io";
/** Newest first; those before say other things. */
const versions: readonly string[] = ["v1", "v1beta1"];

export interface PodCertificateRequest extends KubeObject {
  readonly spec?: {
    readonly signerName: string;
    readonly podName: string;
    readonly podUID: string;
    readonly serviceAccountName: string;
    readonly serviceAccountUID: string;
    readonly nodeName: string;
    readonly nodeUID: string;
    readonly maxExpirationSeconds: number;
    readonly stubPKCS10Request?: string;
    readonly pkixPublicKey?: string;
    readonly proofOfPossession?: string;
    readonly unverifiedUserAnnotations?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly certificateChain?: string;
    readonly beginRefreshAt?: string;
    readonly notAfter?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

/** Undefined: the API server has none. */
export async function trustBundlesOf(
  client: KubeClient,
  signal: AbortSignal,
): Promise<Resource<ClusterTrustBundle> | undefined> {
  const version = await servedVersion(client, "clustertrustbundles", signal);
  return version === undefined
    ? undefined
    : resource(`${group}/${version}`, "ClusterTrustBundle", "clustertrustbundles", false);
}

/** Undefined: the API server has none. */
export async function podCertificateRequestsOf(
  client: KubeClient,
  signal: AbortSignal,
): Promise<Resource<PodCertificateRequest> | undefined> {
  const version = await servedVersion(client, "podcertificaterequests", signal);
  return version === undefined
    ? undefined
    : resource(`${group}/${version}`, "PodCertificateRequest", "podcertificaterequests", true);
}

async function servedVersion(client: KubeClient, plural: string, signal: AbortSignal): Promise<string | undefined> {
  for (const version of versions) {
    try {
      const list = await client.getRaw(`/apis/${group}/${version}`, { signal });
      const found = isObject(list) && Array.isArray(list["resources"]) ? list["resources"] : [];
      if (found.some((each) => isObject(each) && each["name"] === plural)) return version;
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
    }
  }
  return undefined;
}
