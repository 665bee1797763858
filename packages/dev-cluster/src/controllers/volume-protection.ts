// Claims and volumes that are deleted stay until nothing uses them any more.
import type { Api } from "../api.ts";
import { type JsonObject, list, put, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { change, isFinished, isGoing, keyOf, nameOf, namespaceOf, splitKey } from "./objects.ts";

const claimKey = "persistentvolumeclaims";
const volumeKey = "persistentvolumes";
const classKey = "volumeattributesclasses.storage.k8s.io";
const finalizer = /^kubernetes\.io\/(pvc|pv|vac)-protection$/;

export function volumeProtection(api: Api): Controller {
  const keyIn = (resource: string, each: JsonObject): string => `${resource} ${keyOf(each)}`;
  const going = (resource: string): readonly string[] =>
    api.store.list(resource).flatMap((each) => (isGoing(each) ? [keyIn(resource, each)] : []));
  return {
    name: "volume-protection",
    hears: {
      pods: (pod) => (claimsOf(pod).length === 0 ? [] : going(claimKey)),
      [claimKey]: (claim) => [keyIn(claimKey, claim), ...going(classKey)],
      [volumeKey]: (volume) => [keyIn(volumeKey, volume), ...going(classKey)],
      [classKey]: (each) => [keyIn(classKey, each)],
    },
    sync(which) {
      const [resource = "", key = ""] = which.split(" ");
      const found = api.store.get(resource, ...splitKey(key));
      if (found === undefined || !isGoing(found) || isUsed(api, resource, found)) return undefined;
      change(api, resource, found, (now) => {
        const left = list(now, "metadata", "finalizers").filter((each) => !finalizer.test(`${each}`));
        return put(now, ["metadata", "finalizers"], left.length > 0 ? left : undefined);
      });
      return undefined;
    },
  };
}

function claimsOf(pod: JsonObject): readonly string[] {
  const names = list(pod, "spec", "volumes").map((each) => text(each, "persistentVolumeClaim", "claimName"));
  return names.filter((name) => name !== "");
}

function isUsed(api: Api, resource: string, of: JsonObject): boolean {
  const name = nameOf(of);
  if (resource === volumeKey) return text(of, "status", "phase") === "Bound";
  if (resource === claimKey) {
    const pods = api.store.list("pods", namespaceOf(of));
    return pods.some((pod) => !isFinished(pod) && claimsOf(pod).includes(name));
  }
  const users = [...api.store.list(claimKey), ...api.store.list(volumeKey)];
  return users.some((each) => text(each, "spec", "volumeAttributesClassName") === name);
}
