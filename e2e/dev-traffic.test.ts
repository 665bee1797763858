// What real kubectls asked, and some requests beside, asked of the development cluster and of a real control plane: the answers are the same, apart from what
// the README of the former lists; and that list is no longer than it has to be.
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ControlPlane, startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { startDevControlPlane } from "./dev-control-plane.ts";
import { requestsOfKinds } from "./dev-kinds.ts";
import { requestsByHand } from "./dev-requests.ts";
import {
  type Answer,
  asker,
  covers,
  differences,
  KnownObjects,
  knownDifferences,
  type RecordedRequest,
  readTraffic,
} from "./dev-traffic.ts";

const readme = join(import.meta.dirname, "../packages/dev-cluster/README.md");
const known = knownDifferences(readme);
const unmet = new Set(known);
const files = globSync(join(import.meta.dirname, "dev-traffic/*.json")).sort();

/** Answers in the order of the requests. */
async function replay(plane: ControlPlane, requests: readonly RecordedRequest[]): Promise<readonly Answer[]> {
  const ask = asker(plane);
  const objects = new KnownObjects();
  const answers: Answer[] = [];
  for (const each of requests) {
    const answer = await ask({ ...each, body: objects.concrete(each.body) });
    objects.see(each.path, answer.body);
    answers.push(answer);
  }
  return answers;
}

describe("the same requests to both", { timeout: 900_000 }, () => {
  for (const [index, file] of files.entries())
    describe(basename(file, ".json"), () => {
      const requests = [...readTraffic(file), ...(index === 0 ? requestsByHand : [])];
      let theirs: readonly Answer[] = [];
      let ours: readonly Answer[] = [];

      before(async () => {
        const options = { controllers: false };
        await using real = await startControlPlane(options);
        await using dev = await startDevControlPlane(options);
        [theirs, ours] = await Promise.all([replay(real, requests), replay(dev, requests)]);
      });

      for (const command of new Set(requests.map((each) => each.command)))
        it(command, () => {
          for (const [index, each] of requests.entries()) {
            if (each.command !== command) continue;
            const [a, b] = [ours[index], theirs[index]];
            assert.ok(a !== undefined && b !== undefined);
            const places = [...(a.code === b.code ? [] : ["code"]), ...differences(a.body, b.body)];
            const news = places.filter((place) => {
              const rows = known.filter((row) => covers(row, each, place));
              for (const row of rows) unmet.delete(row);
              return rows.length === 0;
            });
            const shown = JSON.stringify({ ours: a.body, theirs: b.body }).slice(0, 3000);
            assert.deepEqual(
              news,
              [],
              `${each.method} ${each.path} ${each.body.slice(0, 300)}\n${a.code} ${b.code} ${shown}`,
            );
          }
        });
    });

  it("there is an object of every kind among them", () => {
    // Made by hand elsewhere, refused, or written by the API server itself as soon as it is there.
    assert.deepEqual(requestsOfKinds().unused, [
      "apiservices.apiregistration.k8s.io",
      "certificatesigningrequests.certificates.k8s.io",
      "customresourcedefinitions.apiextensions.k8s.io",
      "flowschemas.flowcontrol.apiserver.k8s.io",
    ]);
  });

  after(() => assert.deepEqual([...unmet], [], "known differences that there are no more"));
});
