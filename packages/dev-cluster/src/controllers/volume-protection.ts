// Claims that are deleted stay until no pod uses them any more; volumes and their classes go at once, as nobody
// here binds them.
import type { Api } from "../api.ts";
import type { JsonObject } from "../json.ts";
import { Client } from "./client.ts";
import type { Controller } from "./controller.ts";
import { claimsOf, isFinished, isGoing, nameOf, namespaceOf, without } from "./objects.ts";

const claimKey = "persistentvolumeclaims";
const resources: readonly string[] = [claimKey, "persistentvolumes", "volumeattributesclasses.storage.k8s.io"];
const finalizer = /^kubernetes\.io\/(pvc|pv|vac)-protection$/;

export function volumeProtection(api: Api): Controller {
  const name = "volume-protection";
  const client = new Client(api, name);
  const usesClaim = (pod: JsonObject, claim: JsonObject): boolean =>
    namespaceOf(pod) === namespaceOf(claim) && !isFinished(pod) && claimsOf(pod).includes(nameOf(claim));
  const release = (resource: string): void => {
    for (const each of api.store.list(resource).filter(isGoing))
      if (resource !== claimKey || !api.store.list("pods").some((pod) => usesClaim(pod, each)))
        client.change(each, (now) => without(now, ["metadata", "finalizers"], (it) => finalizer.test(`${it}`)));
  };
  return {
    name,
    hears: {
      pods: (pod) => (claimsOf(pod).length > 0 ? [claimKey] : []),
      ...Object.fromEntries(resources.map((each) => [each, () => [each]])),
    },
    sync(resource) {
      release(resource);
      return undefined;
    },
  };
}
