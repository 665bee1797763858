// ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had, to go back to.
import { equal, type JsonObject, number, object, put, text } from "../json.ts";
import type { Client } from "./client.ts";
import { annotationsOf, hashOf, isGoing, labelsOf, nameOf, namespaceOf, surplus, uidOf } from "./objects.ts";

const key = "controllerrevisions.apps";
/** Of pods: which revision they are of. */
export const revisionLabel = "controller-revision-hash";

const orderOf = (revision: JsonObject): number => number(revision, "revision") ?? 0;

/** The template that a revision has kept. */
export function templateOf(revision: JsonObject): JsonObject {
  return put(object(revision, "data", "spec", "template"), ["$patch"], undefined);
}

export function revisionNamed(client: Client, owner: JsonObject, name: string): JsonObject | undefined {
  return client.store.get(key, namespaceOf(owner), name);
}

/** Revision of the template as it is: the newest there is. `hashLabel` of it has what tells it from others. */
export function currentRevision(client: Client, owner: JsonObject, hashLabel: string): JsonObject {
  const known = client.controlled(key, owner);
  const template = object(owner, "spec", "template");
  const same = known.find((each) => equal(templateOf(each), template));
  const others = known.filter((each) => each !== same);
  thinOut(client, owner, others, hashLabel);
  const newest = Math.max(0, ...known.map(orderOf));
  if (same !== undefined && orderOf(same) === newest) return same;
  const revision = newest + 1;
  // What is gone back to is the newest again.
  if (same !== undefined) return client.change(same, (now) => ({ ...now, revision }));
  // An owner of the same name may have had the same one.
  const hash = hashOf([uidOf(owner), template]);
  return client.createFor(owner, key, {
    metadata: {
      name: `${nameOf(owner)}-${hash}`,
      labels: { ...labelsOf(template), [hashLabel]: hash },
      annotations: annotationsOf(owner),
    },
    data: { spec: { template: { ...template, $patch: "replace" } } },
    revision,
  });
}

/** The oldest of those that nothing is of any more go, as far as there are too many. */
function thinOut(client: Client, owner: JsonObject, others: readonly JsonObject[], hashLabel: string): void {
  const limit = number(owner, "spec", "revisionHistoryLimit") ?? 10;
  if (others.length <= limit) return;
  const used = new Set(client.controlled("pods", owner).map((pod) => text(labelsOf(pod), revisionLabel)));
  used.add(text(owner, "status", "currentRevision"));
  const isUsed = (each: JsonObject): boolean => used.has(nameOf(each)) || used.has(text(labelsOf(each), hashLabel));
  const unused = others.filter((each) => !isUsed(each) && !isGoing(each));
  for (const each of surplus(unused, limit, orderOf)) client.remove(each);
}
