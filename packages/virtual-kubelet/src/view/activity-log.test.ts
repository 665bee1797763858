// What is remembered of pods: the beginning and the newest, bounded, and no secrets in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { PodOwner } from "../provider/pods.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { ActivityLog } from "./activity-log.ts";

const owner = (uid: string): PodOwner => ({ cluster: "c", node: "vk", namespace: "shop", name: `pod-${uid}`, uid });

test("a pod's beginning and its newest are kept, however much happens", () => {
  const log = new ActivityLog({ firstLimit: 2, lastLimit: 3 });
  for (let index = 0; index < 100; index++) log.providerCall(`call-${index}`, owner("a"))();
  const { first, last, omitted } = log.get("a") ?? assert.fail();
  assert.deepEqual(
    [...first, ...last].map(({ what }) => what),
    ["call-0", "call-1", "call-97", "call-98", "call-99"],
  );
  assert.equal(omitted, 95);
});

test("of too many pods the one that was quiet for the longest is forgotten", () => {
  const log = new ActivityLog({ podLimit: 2 });
  for (const uid of ["a", "b"]) log.seen(owner(uid));
  log.providerCall("createPod", owner("a"))();
  log.seen(owner("c"));
  assert.deepEqual(
    [...log.all()].map((one) => one.owner.uid),
    ["a", "c"],
  );
});

test("a call is under way until it ends, and says how", () => {
  const log = new ActivityLog();
  const ended = log.providerCall("createPod", owner("a"));
  const [call] = log.get("a")?.first ?? [];
  assert.deepEqual([call?.outcome, call?.ms], [undefined, undefined]);
  ended(new VirtualKubeletError("Quota", "no room at https://me:hunter2@example.com with Bearer abcdefghijkl"));
  assert.equal(call?.outcome, "Quota");
  assert.equal(call?.detail, "no room at https://me:[redacted]@example.com with Bearer [redacted]");
  assert.ok((call?.ms ?? -1) >= 0);
});

test("requests are told by UID or by name; those about pods that are not known leave nothing", () => {
  const log = new ActivityLog();
  log.seen(owner("a"));
  log.apiCall("patch pods/status", { namespace: "shop", name: "pod-a" })();
  log.apiCall("delete pods", { uid: "a" }, "grace 0 s")();
  log.apiCall("delete pods", { uid: "strange" })();
  assert.deepEqual(
    log.get("a")?.first.map(({ what, detail }) => [what, detail]),
    [
      ["patch pods/status", undefined],
      ["delete pods", "grace 0 s"],
    ],
  );
  assert.equal(log.get("strange"), undefined);
});

test("a retry says when, events are bounded, long texts are cut", () => {
  const clock = new FakeClock(1000);
  const log = new ActivityLog({ clock });
  log.seen(owner("a"));
  log.retry("pods", "a", new VirtualKubeletError("Unavailable", "x".repeat(1000)), 3, 9000);
  const [retry] = log.get("a")?.first ?? [];
  assert.deepEqual([retry?.what, retry?.nextAt, retry?.at], ["queue pods: failed 3 times in a row", 9000, 1000]);
  assert.equal(retry?.detail?.length, 240);
  const target = { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "pod-a", uid: "a" };
  for (let index = 0; index < 500; index++) log.event(target, "vk", "Warning", `Reason${index}`, "message");
  assert.equal(log.events.length, 100);
  assert.deepEqual(log.events.at(-1), {
    ...{ at: 1000, warning: true, object: "pod shop/pod-a", pod: "a", node: "vk" },
    ...{ reason: "Reason499", message: "message" },
  });
});
