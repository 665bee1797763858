// Namespaces: the ServiceAccount and the root CA that each has, and how one ends.
import type { Api } from "../api.ts";
import { type JsonObject, text } from "../json.ts";
import { Client } from "./client.ts";
import type { Controller } from "./controller.ts";
import { isGoing, nameOf, namespaceOf, without } from "./objects.ts";

/**
 * Who deletes a namespace with all that is in it, as `kubectl delete -f` does, is to find the rest still there; a real control plane
 * waits 5 s. Whole seconds are known, so it is up to one less.
 */
const graceMs = 2_000;
const account = { metadata: { name: "default" } };

/** `ca`: what pods verify the API server with. */
export function namespaces(api: Api, ca: string): Controller {
  const name = "namespaces";
  const client = new Client(api, name);
  const authority = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": ca } };
  const inside = api.resources.filter((each) => each.isStored && each.namespaced && each.verbs.includes("list"));

  /** Deletes all that is in a namespace, then lets go of it. */
  const end = (namespace: JsonObject): number | undefined => {
    const ageMs = api.now() - Date.parse(text(namespace, "metadata", "deletionTimestamp"));
    if (ageMs < graceMs) return graceMs - ageMs;
    const content = inside.flatMap(({ key }) => api.store.list(key, nameOf(namespace)));
    for (const each of content.filter((one) => !isGoing(one))) client.remove(each);
    // What has a grace or finalizers goes by others.
    if (inside.some(({ key }) => api.store.list(key, nameOf(namespace)).length > 0)) return 100;
    client.change(namespace, (now) => without(now, ["spec", "finalizers"], (it) => it === "kubernetes"), "finalize");
    return undefined;
  };
  return {
    name,
    hears: {
      namespaces: (each) => [nameOf(each)],
      serviceaccounts: (each, { type }) => (type === "DELETED" ? [namespaceOf(each)] : []),
      configmaps: (each) => (nameOf(each) === nameOf(authority) ? [namespaceOf(each)] : []),
    },
    sync(which) {
      const namespace = api.store.get("namespaces", "", which);
      if (namespace === undefined) return undefined;
      if (isGoing(namespace)) return end(namespace);
      client.ensure("serviceaccounts", which, account);
      client.ensure("configmaps", which, authority);
      return undefined;
    },
  };
}
