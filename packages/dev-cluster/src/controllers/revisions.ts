// ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had, to go back to.
import type { Api } from "../api.ts";
import { equal, type JsonObject, number, object, put, text } from "../json.ts";
import {
  change,
  controlledBy,
  isGoing,
  labelsOf,
  nameOf,
  namespaceOf,
  ownerReference,
  remove,
  templateHash,
  uidOf,
} from "./objects.ts";

const key = "controllerrevisions.apps";
/** Of pods: which revision they are of. */
export const revisionLabel = "controller-revision-hash";

const orderOf = (revision: JsonObject): number => number(revision, "revision") ?? 0;

/** The template that a revision has kept. */
export function templateOf(revision: JsonObject): JsonObject {
  return put(object(revision, "data", "spec", "template"), ["$patch"], undefined);
}

export function revisionNamed(api: Api, owner: JsonObject, name: string): JsonObject | undefined {
  return api.store.get(key, namespaceOf(owner), name);
}

/** Revision of the template as it is: the newest there is. `hashLabel` of it has what tells it from others. */
export function currentRevision(api: Api, owner: JsonObject, hashLabel: string): JsonObject {
  const known = controlledBy(api, key, owner);
  const template = object(owner, "spec", "template");
  const highest = Math.max(0, ...known.map(orderOf));
  const same = known.find((each) => equal(templateOf(each), template));
  thinOut(
    api,
    owner,
    known.filter((each) => each !== same),
    hashLabel,
  );
  if (same === undefined) return create(api, owner, hashLabel, highest + 1);
  if (orderOf(same) === highest) return same;
  // What is gone back to is the newest again.
  return change(api, key, same, (now) => ({ ...now, revision: highest + 1 }));
}

function create(api: Api, owner: JsonObject, hashLabel: string, revision: number): JsonObject {
  const template = object(owner, "spec", "template");
  // An owner of the same name may have had the same one.
  const hash = templateHash([uidOf(owner), template]);
  return api.create(api.resource(key), namespaceOf(owner), {
    metadata: {
      name: `${nameOf(owner)}-${hash}`,
      labels: { ...labelsOf(template), [hashLabel]: hash },
      annotations: object(owner, "metadata", "annotations"),
      ownerReferences: [ownerReference(owner)],
    },
    data: { spec: { template: { ...template, $patch: "replace" } } },
    revision,
  });
}

/** The oldest of those that nothing is of any more, as far as there are too many. */
function thinOut(api: Api, owner: JsonObject, others: readonly JsonObject[], hashLabel: string): void {
  const used = new Set(controlledBy(api, "pods", owner).map((pod) => text(labelsOf(pod), revisionLabel)));
  used.add(text(owner, "status", "currentRevision"));
  const unused = others.filter(
    (each) => !used.has(nameOf(each)) && !used.has(text(labelsOf(each), hashLabel)) && !isGoing(each),
  );
  const surplus = unused.length - (number(owner, "spec", "revisionHistoryLimit") ?? 10);
  const oldest = unused.toSorted((a, b) => orderOf(a) - orderOf(b)).slice(0, Math.max(0, surplus));
  for (const each of oldest) remove(api, key, each);
}
