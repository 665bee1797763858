// Which verbs the program needs in its present configuration, and whether its credentials have them.

import { nodeOfUser } from "../identity.ts";
import type { KubeClient } from "../kube/client.ts";
import { type KubeObject, type Resource, resource } from "../kube/resource.ts";
import type { ResourceAttributes, SubjectAccessReviewStatus } from "../kube/types.gen.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import type { Config } from "../program/config.ts";
import { callMs, type DoctorContext, type Finding, fail, ok, warn } from "./doctor-check.ts";

export interface NeededAccess {
  readonly verbs: readonly string[];
  readonly group: string;
  /** With its sub-resource, e.g. `pods/status`. */
  readonly resource: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly purpose: string;
  /** Without it the node still does its work. */
  readonly optional?: boolean | undefined;
}

/** Pure. `resolves`: the provider wants pods resolved. A node user's objects are those of its node and pods. */
export function neededAccess(config: Config, user: string, resolves: boolean): readonly NeededAccess[] {
  const { kubelet, node, clusterId, podStatusForm, nodes } = config;
  const isNode = nodeOfUser(user) !== undefined;
  const own = isNode && nodes[0] !== undefined ? { name: nodes[0].name } : {};
  const deletes = node.onShutdown === "delete" ? ["delete"] : [];
  const core = (verbs: readonly string[], of: string, purpose: string): NeededAccess => ({
    verbs,
    group: "",
    resource: of,
    purpose,
  });
  const asked = kubelet.serverTLSBootstrap || (kubelet.bootstrapKubeconfig !== undefined && kubelet.rotateCertificates);
  return [
    core(["create"], "nodes", "registers the node"),
    { ...core(["get", "list", "watch", "patch", ...deletes], "nodes", "keeps the node as configured"), ...own },
    { ...core(["patch"], "nodes/status", "heartbeats of the node"), ...own },
    {
      ...{ verbs: ["get", "create", "update", ...deletes], group: "coordination.k8s.io", resource: "leases" },
      ...{ namespace: leaseNamespace, ...own, purpose: "lease of the node" },
    },
    // What a node user may do to pods depends on each pod's binding; nobody can ask about all of them.
    ...(isNode
      ? []
      : [
          core(["get", "list", "watch", "delete"], "pods", "pods bound to the node"),
          core(podStatusForm === "put" ? ["update", "patch"] : ["patch"], "pods/status", "statuses of pods"),
        ]),
    { ...core(["create", "patch"], "events", "tells users what happens"), optional: true },
    ...(resolves
      ? [
          core(["list", "watch"], "services", "variables and DNS of pods"),
          { ...core(["list", "watch"], "runtimeclasses", "runtime classes of pods"), group: "node.k8s.io" },
          ...(isNode
            ? []
            : [
                core(["list", "watch"], "configmaps", "what pods refer to"),
                core(["list", "watch"], "secrets", "what pods refer to"),
                core(["get"], "serviceaccounts", "tokens of pods"),
                core(["create"], "serviceaccounts/token", "tokens of pods"),
              ]),
        ]
      : []),
    ...(kubelet.serve
      ? [
          {
            verbs: ["create"],
            group: "authentication.k8s.io",
            resource: "tokenreviews",
            purpose: "who calls the kubelet API",
          },
          ...(kubelet.insecureSkipAuthorization
            ? []
            : [
                {
                  ...{ verbs: ["create"], group: "authorization.k8s.io", resource: "subjectaccessreviews" },
                  purpose: "what callers of the kubelet API may",
                },
              ]),
          ...(kubelet.clientCAFile === undefined
            ? [
                {
                  ...core(["get"], "configmaps", "CA of client certificates (or --client-ca-file)"),
                  ...{ namespace: "kube-system", name: "extension-apiserver-authentication" },
                },
              ]
            : []),
        ]
      : []),
    ...(asked
      ? [
          {
            ...{ verbs: ["create", "get", "list", "watch"], group: "certificates.k8s.io" },
            ...{ resource: "certificatesigningrequests", purpose: "certificates from the cluster's signer" },
          },
        ]
      : []),
    ...(clusterId === undefined
      ? [{ ...core(["get"], "namespaces", "identity of the cluster"), name: "kube-system", optional: true }]
      : []),
  ];
}

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

export async function checkAccess({ client, config, user, description }: DoctorContext): Promise<Finding> {
  const needed = neededAccess(config, user, description?.capabilities.resolve !== false);
  const questions = needed.flatMap((access) => access.verbs.map((verb) => ({ access, verb })));
  const answers = await Promise.all(
    questions.map(async ({ access, verb }) => ({ access, verb, allowed: await mayI(client, access, verb) })),
  );
  const lacking = answers.filter(({ allowed }) => !allowed);
  if (lacking.length === 0) return ok(`${user} has all ${questions.length} rights that are needed here`);
  const text = [...Map.groupBy(lacking, ({ access }) => access)].map(
    ([access, list]) => `${list.map(({ verb }) => verb).join(", ")} ${placeText(access)} (${access.purpose})`,
  );
  const message = `${user} may not: ${text.join("; ")}`;
  const fix =
    nodeOfUser(user) === undefined
      ? "kubectl apply -f deploy/rbac.yaml, and bind its roles to this user where it is no ServiceAccount virtual-kubelet/virtual-kubelet"
      : "with node credentials the node must be named like their user, one per process; the API server needs --authorization-mode=Node,RBAC";
  return lacking.every(({ access }) => access.optional === true) ? warn(message, fix) : fail(message, fix);
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
