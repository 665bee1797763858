// Whether the credentials have all verbs that the program needs in its present configuration.

import { nodeOfUser } from "../identity.ts";
import type { KubeClient } from "../kube/client.ts";
import { type KubeObject, type Resource, resource } from "../kube/resource.ts";
import type { ResourceAttributes, SubjectAccessReviewStatus } from "../kube/types.gen.ts";
import { type ClusterContext, callMs, type Finding, fail, ok, warn } from "./doctor-check.ts";
import { type NeededAccess, neededAccess, signing } from "./needed-access.ts";

interface SelfSubjectAccessReview extends KubeObject {
  readonly spec?: { readonly resourceAttributes: ResourceAttributes };
  readonly status?: SubjectAccessReviewStatus;
}

const selfSubjectAccessReviews: Resource<SelfSubjectAccessReview> = resource(
  "authorization.k8s.io/v1",
  "SelfSubjectAccessReview",
  "selfsubjectaccessreviews",
  false,
);

/** `bootstraps`: these are the credentials that ask for the node's own; nothing else is needed of them. */
export async function checkAccess(
  { client, config, user }: ClusterContext,
  { resolves, bootstraps }: { readonly resolves: boolean; readonly bootstraps: boolean },
): Promise<Finding> {
  const needed = bootstraps ? [signing] : neededAccess(config, user, resolves);
  const questions = needed.flatMap((access) => access.verbs.map((verb) => ({ access, verb })));
  const answers = await Promise.all(
    questions.map(async ({ access, verb }) => ({ access, verb, allowed: await mayI(client, access, verb) })),
  );
  const lacking = answers.filter(({ allowed }) => !allowed);
  if (lacking.length === 0) return ok(`${user} has all ${questions.length} rights that are needed here`);
  const text = [...Map.groupBy(lacking, ({ access }) => access)].map(
    ([access, list]) => `${list.map(({ verb }) => verb).join(", ")} ${placeText(access)} (${access.purpose})`,
  );
  const message = `${user} may not:\n${text.join("\n")}`;
  const fix = bootstraps ? "kubectl apply -f deploy/bootstrap-rbac.yaml" : accessFix(user);
  return lacking.every(({ access }) => access.optional === true) ? warn(message, fix) : fail(message, fix);
}

/** Pure. Complete commands: who is no ServiceAccount of deploy/rbac.yaml has its roles bound. */
export function accessFix(user: string): string {
  if (nodeOfUser(user) !== undefined)
    return "with node credentials the node must be named like their user, one per process; the API server needs --authorization-mode=Node,RBAC";
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  const apply = "kubectl apply -f deploy/rbac.yaml";
  if (namespace === "virtual-kubelet" && account === "virtual-kubelet") return apply;
  const subject = account === undefined ? `--user='${user}'` : `--serviceaccount=${namespace}:${account}`;
  const name = (account ?? user).toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  const binding = (namespaced: string, role: string): string =>
    `kubectl create rolebinding vk-${name} -n ${namespaced} --role=${role} ${subject}`;
  return [
    apply,
    `kubectl create clusterrolebinding vk-${name} --clusterrole=virtual-kubelet ${subject}`,
    binding("kube-node-lease", "virtual-kubelet"),
    binding("kube-system", "extension-apiserver-authentication-reader"),
  ].join(" && ");
}

function placeText({ group, resource: of, namespace, name }: NeededAccess): string {
  return `${of}${group === "" ? "" : `.${group}`}${name === undefined ? "" : ` "${name}"`}${namespace === undefined ? "" : ` in ${namespace}`}`;
}

async function mayI(client: KubeClient, access: NeededAccess, verb: string): Promise<boolean> {
  const [of = "", subresource] = access.resource.split("/");
  const { group, namespace, name } = access;
  const resourceAttributes = {
    ...{ verb, group, resource: of },
    ...(subresource === undefined ? {} : { subresource }),
    ...(namespace === undefined ? {} : { namespace }),
    // A name is not known at its creation.
    ...(name === undefined || verb === "create" ? {} : { name }),
  };
  const review = await client.review(selfSubjectAccessReviews, { spec: { resourceAttributes } }, { timeoutMs: callMs });
  return review.status?.allowed === true;
}
