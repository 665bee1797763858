// Claims and volumes that are deleted stay until nothing uses them any more.
import type { Api } from "../api.ts";
import { type JsonObject, text } from "../json.ts";
import { Client } from "./client.ts";
import type { Controller } from "./controller.ts";
import { claimsOf, isFinished, isGoing, nameOf, namespaceOf, without } from "./objects.ts";

const claimKey = "persistentvolumeclaims";
const volumeKey = "persistentvolumes";
const classKey = "volumeattributesclasses.storage.k8s.io";
const finalizer = /^kubernetes\.io\/(pvc|pv|vac)-protection$/;

export function volumeProtection(api: Api): Controller {
  const name = "volume-protection";
  const client = new Client(api, name);
  const all = (): readonly string[] => ["all"];
  return {
    name,
    hears: {
      pods: (pod) => (claimsOf(pod).length > 0 ? all() : []),
      [claimKey]: all,
      [volumeKey]: all,
      [classKey]: all,
    },
    sync() {
      for (const [resource, isUsed] of Object.entries(users))
        for (const each of api.store.list(resource).filter(isGoing))
          if (!isUsed(client, each))
            client.change(each, (now) => without(now, ["metadata", "finalizers"], (it) => finalizer.test(`${it}`)));
      return undefined;
    },
  };
}

/** By resource: whether something uses one of its objects. */
const users: Readonly<Record<string, (client: Client, of: JsonObject) => boolean>> = {
  [claimKey]: ({ store }, claim) =>
    store.list("pods", namespaceOf(claim)).some((pod) => !isFinished(pod) && claimsOf(pod).includes(nameOf(claim))),
  [volumeKey]: (_, volume) => text(volume, "status", "phase") === "Bound",
  [classKey]: ({ store }, of) =>
    [...store.list(claimKey), ...store.list(volumeKey)].some(
      (each) => text(each, "spec", "volumeAttributesClassName") === nameOf(of),
    ),
};
