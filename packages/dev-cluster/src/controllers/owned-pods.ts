// Pods that a workload makes of its template and takes away, and whose they are.
import type { Api } from "../api.ts";
import { type JsonObject, object, text } from "../json.ts";
import { controllerOf, nameOf, namespaceOf, ownerReference, remove, tell } from "./objects.ts";

export function keysOfOwner(of: JsonObject, kind: string): readonly string[] {
  const owner = controllerOf(of);
  return text(owner, "kind") === kind ? [`${namespaceOf(of)}/${text(owner, "name")}`] : [];
}

/** Makes a pod of a workload's template, with more in its metadata, and another spec where one is given. */
export function createPod(
  api: Api,
  owner: JsonObject,
  component: string,
  more: JsonObject = {},
  spec: JsonObject = object(owner, "spec", "template", "spec"),
): void {
  const template = object(owner, "spec", "template");
  const metadata = {
    ...object(template, "metadata"),
    generateName: `${nameOf(owner)}-`,
    ownerReferences: [ownerReference(owner)],
    ...more,
  };
  const pod = api.create(api.resource("pods"), namespaceOf(owner), { metadata, spec });
  tell(api, owner, { type: "Normal", reason: "SuccessfulCreate", message: `Created pod: ${nameOf(pod)}`, component });
}

export function deletePod(api: Api, owner: JsonObject, pod: JsonObject, component: string): void {
  remove(api, "pods", pod);
  tell(api, owner, { type: "Normal", reason: "SuccessfulDelete", message: `Deleted pod: ${nameOf(pod)}`, component });
}
