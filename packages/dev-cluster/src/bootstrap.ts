// What every cluster has from the start: what was captured (namespaces, roles, classes), the bindings of nodes and
// kubelets, its own Service, its authorities.
import { frontProxyUser } from "./aggregation.ts";
import type { Api } from "./api.ts";
import { apiData } from "./api-data.ts";
import { type JsonObject, text } from "./json.ts";
import { kubeletClientUser } from "./kubelet-proxy.ts";
import { firstServiceAddress } from "./service-rules.ts";

const rbac = "rbac.authorization.k8s.io/v1";
const gated = "dev-cluster:nodes-gated";

const clusterRoleBinding = (name: string, role: string, kind: string, subject: string): JsonObject => ({
  apiVersion: rbac,
  kind: "ClusterRoleBinding",
  metadata: { name },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind, name: subject }],
});

/** Makes what is not there yet. PEM of the authorities of client certificates, and of those who say who asks: default nobody. */
export function bootstrap(api: Api, ca: string, frontProxyCa = ""): void {
  const ensure = (key: string, namespace: string, document: JsonObject): void => {
    if (api.store.get(key, namespace, text(document, "metadata", "name")) === undefined) {
      api.create(api.resource(key), namespace, document);
    }
  };
  const bindings = [
    // There is no authorizer for nodes: their role is bound to all of them.
    clusterRoleBinding("dev-cluster:nodes", "system:node", "Group", "system:nodes"),
    // For kinds that are served to who asks for them.
    { apiVersion: rbac, kind: "ClusterRole", metadata: { name: gated }, rules: apiData().gatedNodeRules },
    clusterRoleBinding(gated, gated, "Group", "system:nodes"),
    clusterRoleBinding(kubeletClientUser, "system:kubelet-api-admin", "User", kubeletClientUser),
  ];
  for (const each of [...apiData().initialObjects, ...bindings]) {
    const [kind, apiVersion] = [text(each, "kind"), text(each, "apiVersion")];
    const resource = api.resources.find((one) => one.kind === kind && one.apiVersion === apiVersion);
    if (resource !== undefined) ensure(resource.key, text(each, "metadata", "namespace"), each);
  }
  ensure("services", "default", {
    metadata: { name: "kubernetes", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { clusterIP: firstServiceAddress, ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }] },
  });
  // What extension API servers, and kubelets, know clients by.
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
}
