// What every cluster has from the start: namespaces, roles, priority classes, its own Service.
import { frontProxyUser } from "./aggregation.ts";
import type { Api } from "./api.ts";
import { apiData } from "./api-data.ts";
import { type JsonObject, text, texts } from "./json.ts";
import { kubeletClientUser } from "./kubelet-proxy.ts";
import { firstServiceAddress } from "./service-rules.ts";

const rbac = "rbac.authorization.k8s.io/v1";

const clusterRoleBinding = (name: string, role: string, kind: string, subject: string): JsonObject => ({
  apiVersion: rbac,
  kind: "ClusterRoleBinding",
  metadata: { name },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind, name: subject }],
});

/** Roles of nodes for kinds that are served because they were asked for. */
function gatedRoles(api: Api): readonly JsonObject[] {
  const rules = apiData().gatedNodeRules.filter((rule) =>
    api.resources.some(
      ({ group, name }) => texts(rule, "apiGroups").includes(group) && texts(rule, "resources").includes(name),
    ),
  );
  return rules.flatMap((rule) => {
    const name = `dev-cluster:nodes:${texts(rule, "resources").join("-")}`;
    const role = { apiVersion: rbac, kind: "ClusterRole", metadata: { name }, rules: [rule] };
    return [role, clusterRoleBinding(name, name, "Group", "system:nodes")];
  });
}

/** Makes what is not there yet. PEM of the authorities of client certificates, and of those who say who asks: default nobody. */
export function bootstrap(api: Api, ca: string, frontProxyCa = ""): void {
  const ensure = (key: string, namespace: string, document: JsonObject): void => {
    if (api.store.get(key, namespace, text(document, "metadata", "name")) === undefined) {
      api.create(api.resource(key), namespace, document);
    }
  };
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) {
    ensure("namespaces", "", { metadata: { name } });
  }
  const bindings = [
    // There is no authorizer for nodes: their role is bound to all of them.
    clusterRoleBinding("dev-cluster:nodes", "system:node", "Group", "system:nodes"),
    ...gatedRoles(api),
    clusterRoleBinding(kubeletClientUser, "system:kubelet-api-admin", "User", kubeletClientUser),
  ];
  for (const role of [...apiData().roles, ...bindings]) {
    const kind = text(role, "kind") === "ClusterRole" ? "clusterroles" : "clusterrolebindings";
    ensure(`${kind}.rbac.authorization.k8s.io`, "", role);
  }
  const classes = { "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000 };
  for (const [name, value] of Object.entries(classes)) {
    ensure("priorityclasses.scheduling.k8s.io", "", {
      metadata: { name },
      value,
      preemptionPolicy: "PreemptLowerPriority",
    });
  }
  for (const { name, spec } of apiData().apiServices) {
    const isServed = api.resources.some(
      ({ group, version }) => group === text(spec, "group") && version === text(spec, "version"),
    );
    const metadata = { name, labels: { "kube-aggregator.kubernetes.io/automanaged": "onstart" } };
    if (isServed) ensure("apiservices.apiregistration.k8s.io", "", { metadata, spec });
  }
  ensure("services", "default", {
    metadata: { name: "kubernetes", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { clusterIP: firstServiceAddress, ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }] },
  });
  // What extension API servers, and kubelets, know clients by.
  const reader = "extension-apiserver-authentication-reader";
  const known = "extension-apiserver-authentication";
  const data = {
    "client-ca-file": ca,
    "requestheader-client-ca-file": frontProxyCa,
    "requestheader-allowed-names": JSON.stringify([frontProxyUser]),
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
  };
  ensure("configmaps", "kube-system", { metadata: { name: known }, data });
  api.update(api.resource("configmaps"), "kube-system", known, { to: (current) => ({ ...current, data }) });
  ensure("roles.rbac.authorization.k8s.io", "kube-system", {
    metadata: { name: reader },
    rules: [
      {
        apiGroups: [""],
        resources: ["configmaps"],
        resourceNames: [known],
        verbs: ["get", "list", "watch"],
      },
    ],
  });
}
