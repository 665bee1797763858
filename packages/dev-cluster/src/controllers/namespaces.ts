// Namespaces: the ServiceAccount and the root CA that each has, and how one ends.
import type { Api } from "../api.ts";
import { type JsonObject, list, put, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { isGoing, nameOf, namespaceOf } from "./objects.ts";

/** Every namespace has an account `default` and the certificate that pods verify the API server with. */
export function namespaceContents(api: Api, ca: string): Controller {
  return {
    name: "namespace-contents",
    hears: {
      namespaces: (each) => [nameOf(each)],
      serviceaccounts: (each, { type }) => (type === "DELETED" ? [namespaceOf(each)] : []),
      configmaps: (each) => (nameOf(each) === "kube-root-ca.crt" ? [namespaceOf(each)] : []),
    },
    sync(name) {
      const namespace = api.store.get("namespaces", "", name);
      if (namespace === undefined || isGoing(namespace)) return undefined;
      if (api.store.get("serviceaccounts", name, "default") === undefined) {
        api.create(api.resource("serviceaccounts"), name, { metadata: { name: "default" } });
      }
      const data = { "ca.crt": ca };
      if (api.store.get("configmaps", name, "kube-root-ca.crt") === undefined) {
        api.create(api.resource("configmaps"), name, { metadata: { name: "kube-root-ca.crt" }, data });
      } else {
        const to = (current: JsonObject): JsonObject => ({ ...current, data });
        api.update(api.resource("configmaps"), name, "kube-root-ca.crt", { to });
      }
      return undefined;
    },
  };
}

/**
 * Who deletes a namespace with all that is in it, as `kubectl delete -f` does, is to find the rest still there; a real control plane
 * waits 5 s. Whole seconds are known, so it is up to one less.
 */
const graceMs = 2_000;

/** Deletes all that is in a namespace that is going, then lets go of it. */
export function namespaceDeletion(api: Api): Controller {
  const inside = api.resources.filter((each) => each.isStored && each.namespaced && each.verbs.includes("list"));
  return {
    name: "namespace-deletion",
    hears: { namespaces: (each) => (isGoing(each) ? [nameOf(each)] : []) },
    sync(name) {
      const namespace = api.store.get("namespaces", "", name);
      if (namespace === undefined || !isGoing(namespace)) return undefined;
      const ageMs = api.now() - Date.parse(text(namespace, "metadata", "deletionTimestamp"));
      if (ageMs < graceMs) return graceMs - ageMs;
      let left = 0;
      for (const resource of inside) {
        for (const each of api.store.list(resource.key, name)) {
          if (!isGoing(each)) api.delete(resource, name, nameOf(each));
          if (api.store.get(resource.key, name, nameOf(each)) !== undefined) left++;
        }
      }
      // What has a grace or finalizers goes by others.
      if (left > 0) return 100;
      const kept = list(namespace, "spec", "finalizers").filter((each) => each !== "kubernetes");
      const to = (current: JsonObject): JsonObject => put(current, ["spec", "finalizers"], kept);
      api.update(api.resource("namespaces"), "", name, { subresource: "finalize", to });
      return undefined;
    },
  };
}
