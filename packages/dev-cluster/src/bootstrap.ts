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
  const bindings = [
    // There is no authorizer for nodes: their role is bound to all of them.
    clusterRoleBinding("dev-cluster:nodes", "system:node", "Group", "system:nodes"),
    ...gatedRoles(api),
    clusterRoleBinding(kubeletClientUser, "system:kubelet-api-admin", "User", kubeletClientUser),
  ];
  for (const each of [...apiData().initialObjects, ...bindings]) {
    const [kind, apiVersion] = [text(each, "kind"), text(each, "apiVersion")];
    const resource = api.resources.find((one) => one.kind === kind && one.apiVersion === apiVersion);
    if (resource !== undefined && isServed(api, each)) ensure(resource.key, text(each, "metadata", "namespace"), each);
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

/** Not so versions of groups that are not served. */
function isServed(api: Api, initial: JsonObject): boolean {
  const [group, version] = [text(initial, "spec", "group"), text(initial, "spec", "version")];
  return (
    text(initial, "kind") !== "APIService" ||
    api.resources.some((each) => each.group === group && each.version === version)
  );
}
