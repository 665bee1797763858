// What the API server adds to new objects from what else is there: the ServiceAccount of pods and its token.
import type { Resource } from "./api-data.ts";
import { forbidden } from "./api-error.ts";
import { type Json, type JsonObject, list, merge, object, put, text } from "./json.ts";
import type { Store } from "./store.ts";

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";

export function admit(resource: Resource, made: JsonObject, { store }: { readonly store: Store }): JsonObject {
  return resource.key === "pods" ? withServiceAccount(made, store) : made;
}

function withServiceAccount(pod: JsonObject, store: Store): JsonObject {
  // Mirror pods have none.
  if (object(pod, "metadata", "annotations")["kubernetes.io/config.mirror"] !== undefined) return pod;
  const namespace = text(pod, "metadata", "namespace");
  const name = text(pod, "spec", "serviceAccountName") || "default";
  const account = store.get("serviceaccounts", namespace, name);
  if (account === undefined) {
    const why = `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`;
    throw forbidden({ kind: "pods", name: text(pod, "metadata", "name") }, why);
  }
  const named = merge(pod, ["spec"], { serviceAccountName: name, serviceAccount: name });
  const own = list(pod, "spec", "imagePullSecrets");
  const secrets = own.length > 0 ? own : list(account, "imagePullSecrets");
  const pulling = secrets.length === 0 ? named : put(named, ["spec", "imagePullSecrets"], secrets);
  const mounts = object(pod, "spec")["automountServiceAccountToken"] ?? account["automountServiceAccountToken"] ?? true;
  return mounts === true ? withToken(pulling) : pulling;
}

function withToken(pod: JsonObject): JsonObject {
  const uid = text(pod, "metadata", "uid").replaceAll(/[^bcdfghjklmnpqrstvwxz2456789]/g, "");
  const volume = `kube-api-access-${uid.padEnd(5, "x").slice(0, 5)}`;
  const mount = { name: volume, readOnly: true, mountPath: tokenPath };
  const mounted = (name: string): Json | undefined => {
    const containers = list(pod, "spec", name);
    if (containers.length === 0) return undefined;
    return containers.map((each) => {
      const mounts = list(each, "volumeMounts");
      const has = mounts.some((other) => text(other, "mountPath") === tokenPath);
      return has ? each : put(object(each), ["volumeMounts"], [...mounts, mount]);
    });
  };
  const sources = [
    { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] },
    },
  ];
  return merge(pod, ["spec"], {
    volumes: [...list(pod, "spec", "volumes"), { name: volume, projected: { sources, defaultMode: 0o644 } }],
    containers: mounted("containers"),
    initContainers: mounted("initContainers"),
  });
}
