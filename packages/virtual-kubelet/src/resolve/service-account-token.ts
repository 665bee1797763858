// Asks for a token of a pod's ServiceAccount, bound to the pod.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { serviceAccounts } from "../kube/resource.ts";
import type { TokenRequest } from "../kube/types.gen.ts";
import type { Credential } from "./renewed-credentials.ts";
import type { TokenSource } from "./sources.ts";

/** Renewed at this part of its life, or after a day, up to so much earlier at random. */
const share = 0.8;
const longestMs = 24 * 3_600_000;
const spreadMs = 10_000;

export function tokenKey({ podUid, audience, expirationSeconds }: TokenSource): string {
  return `${podUid}/${expirationSeconds}/${audience ?? ""}`;
}

export async function requestToken(
  client: KubeClient,
  { namespace, serviceAccount, podName, podUid, audience, expirationSeconds }: TokenSource,
  random: () => number,
  signal: AbortSignal,
): Promise<Credential<string>> {
  const request: TokenRequest = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name: podName, uid: podUid },
    },
  };
  const ref = { namespace, name: serviceAccount };
  const answer = await client.createSubresource<TokenRequest>(serviceAccounts, ref, "token", request, { signal });
  const token: unknown = answer.status?.token;
  const seconds: unknown = answer.spec?.expirationSeconds;
  if (typeof token !== "string" || token === "")
    throw new VirtualKubeletError("Unavailable", "the API server's answer has no token");
  const lifeMs = (typeof seconds === "number" && seconds > 0 ? seconds : expirationSeconds) * 1000;
  return { value: token, lifeMs, renewAfterMs: Math.min(lifeMs * share, longestMs) - spreadMs * random() };
}
