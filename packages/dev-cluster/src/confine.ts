// Which parts of an object a call may change: its status, all but its status, or what a sub-resource is there for.
import type { Resource } from "./api-data.ts";
import { isObject, type JsonObject, list, merge, object, put, text } from "./json.ts";
import type { Strategy } from "./strategies.ts";

export function hasStatus(resource: Resource): boolean {
  return resource.subresources.some(({ name }) => name === "status");
}

/** Fields of metadata that only the server writes. */
const serverFields = [
  "name",
  "namespace",
  "resourceVersion",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
] as const;

/** What the call may not change stays as it was. */
export function confine(
  resource: Resource,
  strategy: Strategy,
  subresource: string,
  wanted: JsonObject,
  current: JsonObject,
): JsonObject {
  const before = object(current, "metadata");
  const kept = Object.fromEntries(serverFields.map((field) => [field, before[field]]));
  const metadata = merge(object(wanted, "metadata"), [], kept);
  const proposed = { ...wanted, metadata };
  switch (subresource) {
    case "":
      return hasStatus(resource) ? put(proposed, ["status"], current["status"]) : proposed;
    case "status":
    case "approval": {
      const owners = put(metadata, ["ownerReferences"], before["ownerReferences"]);
      const { status } = wanted;
      return {
        ...current,
        metadata: strategy.keepsStatus === true ? metadata : owners,
        ...(isObject(status) ? { status: strategy.status?.(status) ?? status } : {}),
      };
    }
    case "ephemeralcontainers":
      return put(current, ["spec", "ephemeralContainers"], object(wanted, "spec")["ephemeralContainers"]);
    case "resize":
      return resized(wanted, current);
    case "finalize":
      return put(current, ["spec", "finalizers"], object(wanted, "spec")["finalizers"]);
    default:
      return proposed;
  }
}

function resized(wanted: JsonObject, current: JsonObject): JsonObject {
  const resources = new Map(
    list(wanted, "spec", "containers").map((each) => [text(each, "name"), object(each)["resources"]]),
  );
  const containers = list(current, "spec", "containers").map((each) =>
    put(object(each), ["resources"], resources.get(text(each, "name")) ?? object(each)["resources"]),
  );
  return put(current, ["spec", "containers"], containers);
}
