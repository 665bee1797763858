import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject, Stored } from "./resource.ts";
import { type Change, Store } from "./store.ts";

/** "name uid@version", with "!" for an object that is not accepted. */
function object(text: string): Stored<KubeObject> {
  const [, name = "", uid = "", resourceVersion = "", hidden = ""] = /^(\w+) (\w+)@(\d+)(!?)$/.exec(text) ?? [];
  const labels = { hidden };
  return { metadata: { namespace: "default", name, uid, resourceVersion, labels } };
}

function text(change: Change<KubeObject>): string {
  const of = ({ metadata }: Stored<KubeObject>): string =>
    `${metadata.name} ${metadata.uid}@${metadata.resourceVersion}`;
  if (change.type === "updated") return `updated ${of(change.previous)} -> ${of(change.object)}`;
  return `${change.type} ${of(change.object)}${change.type === "deleted" && change.finalStateUnknown ? " unseen" : ""}`;
}

type Step = readonly ["put" | "delete", string] | readonly ["replace", ...string[]];
const cases: readonly {
  readonly name: string;
  readonly given?: readonly string[];
  readonly step: Step;
  readonly told: readonly string[];
  readonly left: readonly string[];
}[] = [
  { name: "new", step: ["put", "a u1@1"], told: ["added a u1@1"], left: ["a u1@1"] },
  { name: "changed", given: ["a u1@1"], step: ["put", "a u1@2"], told: ["updated a u1@1 -> a u1@2"], left: ["a u1@2"] },
  { name: "the same again", given: ["a u1@1"], step: ["put", "a u1@1"], told: [], left: ["a u1@1"] },
  { name: "not accepted", step: ["put", "a u1@1!"], told: [], left: [] },
  { name: "no longer accepted", given: ["a u1@1"], step: ["put", "a u1@2!"], told: ["deleted a u1@2"], left: [] },
  {
    name: "a new UID",
    given: ["a u1@1", "b u2@2"],
    step: ["put", "a u3@3"],
    told: ["deleted a u1@1 unseen", "added a u3@3"],
    left: ["b u2@2", "a u3@3"],
  },
  {
    name: "a new UID that is not accepted",
    given: ["a u1@1"],
    step: ["put", "a u3@3!"],
    told: ["deleted a u1@1 unseen"],
    left: [],
  },
  { name: "deleted", given: ["a u1@1"], step: ["delete", "a u1@2"], told: ["deleted a u1@2"], left: [] },
  { name: "deleted, never seen", given: ["a u1@1"], step: ["delete", "b u2@2"], told: [], left: ["a u1@1"] },
  { name: "its predecessor deleted", given: ["a u1@1"], step: ["delete", "a u0@2"], told: [], left: ["a u1@1"] },
  {
    name: "all anew",
    given: ["a u1@1", "b u2@2", "c u3@3", "d u4@4"],
    step: ["replace", "a u1@1", "b u2@7", "d u5@8", "e u6@9", "c u3@6!"],
    told: ["deleted c u3@6", "deleted d u4@4 unseen", "updated b u2@2 -> b u2@7", "added d u5@8", "added e u6@9"],
    left: ["a u1@1", "b u2@7", "d u5@8", "e u6@9"],
  },
];
for (const { name, given = [], step, told, left } of cases) {
  test(`store: ${name}`, () => {
    const store = new Store<KubeObject>(({ metadata }) => metadata?.labels?.["hidden"] !== "!");
    for (const one of given) store.put(object(one));
    const [verb, ...objects] = step;
    const changes =
      verb === "replace" ? store.replace(objects.map(object)) : objects.flatMap((one) => store[verb](object(one)));
    assert.deepEqual(changes.map(text), told);
    const kept = [...store.list()];
    assert.deepEqual(
      kept.map((one) => text({ type: "added", object: one }).slice("added ".length)),
      left,
    );
    assert.equal(store.size, left.length);
    for (const one of kept) {
      assert.equal(store.getByUid(one.metadata.uid), one);
      assert.equal(store.get("default", one.metadata.name), one);
    }
    assert.equal(store.get("default", "nobody"), undefined);
  });
}
