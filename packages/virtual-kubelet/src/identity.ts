// Who we are to the API server, and which cluster it is: asked once at start, until it answers.
import { type Clock, jitter, pause } from "./clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "./errors.ts";
import type { KubeClient } from "./kube/client.ts";
import type { KubeObject } from "./kube/resource.ts";
import { namespaces, type Resource, resource, services } from "./kube/resource.ts";
import type { Logger } from "./log.ts";

export interface Identity {
  /** UID of the cluster: of its kube-system namespace or, for who may not read that, of the service default/kubernetes. */
  readonly cluster: string;
  /** User name of the credentials. */
  readonly user: string;
  /** "node-user": system:node:<name>, bound by the Node authoriser and NodeRestriction to one node. */
  readonly credentials: "node-user" | "service-account";
}

interface SelfSubjectReview extends KubeObject {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

const selfSubjectReviews: Resource<SelfSubjectReview> = resource(
  "authentication.k8s.io/v1",
  "SelfSubjectReview",
  "selfsubjectreviews",
  false,
);

const nodeUserPrefix = "system:node:";

/** Asks for ever, with back-off, while the API server does not answer, or not us; throws what will not change by waiting. */
export async function identify(
  client: KubeClient,
  options: { readonly cluster?: string | undefined; readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<Identity> {
  let user: string | undefined;
  let told: string | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      user ??= await userName(client, signal);
      const cluster = options.cluster ?? (await clusterUid(client, signal));
      return { cluster, user, credentials: user.startsWith(nodeUserPrefix) ? "node-user" : "service-account" };
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      if (signal.aborted) throw error;
      // Everybody may ask who they are; what else is missing may be granted yet.
      if (error.kind === "Invalid" || (error.kind === "Forbidden" && user === undefined)) throw error;
      const trouble = troubleOf(error);
      if (trouble !== told) options.log.warn({ server: client.server, err: errorText(error) }, trouble);
      told = trouble;
      await pause(options.clock, jitter(Math.min(10_000, 250 * 2 ** Math.min(attempt, 8)), 0.3, true), signal);
      if (signal.aborted)
        throw new VirtualKubeletError("Aborted", "stopped while waiting for the API server", { cause: error });
    }
  }
}

function troubleOf({ kind }: VirtualKubeletError): string {
  if (kind === "Unauthorized")
    return "the API server does not accept the credentials yet: `virtual-kubelet doctor` says what to do";
  if (kind !== "Forbidden") return "the API server does not answer yet: `virtual-kubelet doctor` says what to do";
  return "the credentials may not look which cluster this is yet: grant the rights that `virtual-kubelet doctor` lists, or give it a name by --cluster-id";
}

async function userName(client: KubeClient, signal: AbortSignal): Promise<string> {
  const review = await client.review(selfSubjectReviews, {}, { signal });
  return review.status?.userInfo?.username ?? "";
}

async function clusterUid(client: KubeClient, signal: AbortSignal): Promise<string> {
  try {
    return (await client.get(namespaces, { name: "kube-system" }, { signal })).metadata.uid;
  } catch (refused) {
    if (!isErrorKind(refused, "Forbidden")) throw refused;
    try {
      return (await client.get(services, { namespace: "default", name: "kubernetes" }, { signal })).metadata.uid;
    } catch (error) {
      // The right that is told is the one to grant.
      throw isErrorKind(error, "Forbidden") ? refused : error;
    }
  }
}

/** The node that these credentials are of. */
export function nodeOfUser(user: string): string | undefined {
  return user.startsWith(nodeUserPrefix) ? user.slice(nodeUserPrefix.length) : undefined;
}
