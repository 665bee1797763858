import assert from "node:assert/strict";
import { test } from "node:test";
import { timestamp } from "../access.ts";
import { Api } from "../api.ts";
import { bootstrap } from "../bootstrap.ts";
import { Store } from "../store.ts";
import { nodeLifecycle } from "./nodes.ts";
import { nameOf } from "./objects.ts";

test("pods of a node that is gone go after a while, each in its own time", async () => {
  let time = Date.parse("2026-01-01T00:00:00Z");
  const store = new Store();
  const api = new Api({ store, now: () => time });
  bootstrap(api, "");
  const controller = nodeLifecycle(api, 50_000);
  const bind = (name: string): void =>
    void store.write("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", uid: name, creationTimestamp: timestamp(time) },
      spec: { nodeName: "gone" },
    });
  const looks = async (): Promise<readonly string[]> => {
    await controller.sync("gone");
    return store.list("pods").map(nameOf);
  };
  bind("first");
  assert.deepEqual(await looks(), ["first"]);
  time += 21_000;
  bind("next");
  assert.deepEqual(await looks(), ["next"]);
  time += 1_000;
  assert.deepEqual(await looks(), ["next"]);
  time += 21_000;
  assert.deepEqual(await looks(), []);
});
