import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { type LogFields, type Logger, silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { ScriptedCollection, type ScriptedObject } from "../testing/scripted-collection.ts";
import { type Change, Informer, type InformerOptions } from "./informer.ts";
import { type Resource, resource } from "./resource.ts";

const widgets: Resource<ScriptedObject> = resource("example.test/v1", "Widget", "widgets", true);
const away = new VirtualKubeletError("Unavailable", "connection reset");
const refused = new VirtualKubeletError("Invalid", "sendInitialEvents is forbidden", { httpStatus: 422 });

function bench(options: Partial<InformerOptions<ScriptedObject>> = {}) {
  const clock = new FakeClock();
  const server = new ScriptedCollection();
  const metrics = createMetrics();
  const changes: Change<ScriptedObject>[] = [];
  const lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  const line = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, message, fields });
  const log: Logger = {
    ...silentLogger,
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: () => log,
  };
  const informer: Informer<ScriptedObject> = new Informer({
    client: server.client,
    resource: widgets,
    clock,
    random: () => 0,
    log,
    metrics,
    onChange: (change) => changes.push(change),
    ...options,
  });
  const controller = new AbortController();
  let ended: Promise<void> | undefined;
  return {
    clock,
    server,
    metrics,
    changes,
    lines,
    informer,
    async start() {
      ended = informer.run(controller.signal);
      await settle();
    },
    async stop() {
      controller.abort();
      await ended;
      assert.equal(clock.pending, 0, "timers are left");
      assert.equal(server.watching, 0, "a watch is left");
    },
    /** What changed since the last call, in short. */
    told() {
      return changes.splice(0).map((change) => {
        const { name, uid, resourceVersion } = change.object.metadata;
        const lost = change.type === "deleted" && change.finalStateUnknown ? " unseen" : "";
        return `${change.type} ${name} ${uid}@${resourceVersion}${lost}`;
      });
    },
    names: () => [...informer.list()].map(({ metadata }) => metadata.name).sort(),
    verbs: () =>
      server.requests
        .splice(0)
        .map((request) => (request.verb === "list" ? "list" : request.sendInitialEvents === true ? "stream" : "watch")),
    async restarts() {
      const { values } = await metrics.watchRestarts.get();
      return Object.fromEntries(values.map(({ labels, value }) => [labels.cause, value]));
    },
  };
}

test("the state, then each change, over one streaming list", async () => {
  const b = bench({ namespace: "default", fieldSelector: "spec.nodeName=vk", labelSelector: "app=web" });
  b.server.create("a");
  b.server.create("b");
  assert.equal(b.informer.hasSynced(), false);
  await b.start();
  await b.informer.synced;
  assert.deepEqual(b.told(), ["added a uid-1@101", "added b uid-2@102"]);
  b.server.modify("a");
  b.server.create("c");
  b.server.delete("b");
  await settle();
  assert.deepEqual(b.told(), ["updated a uid-1@103", "added c uid-3@104", "deleted b uid-2@105"]);
  assert.deepEqual(b.names(), ["a", "c"]);
  assert.equal(b.informer.get("default", "a")?.metadata.resourceVersion, "103");
  assert.equal(b.informer.getByUid("uid-3")?.metadata.name, "c");
  assert.equal(b.informer.get("default", "b"), undefined);
  assert.equal(b.informer.size, 2);
  const request = b.server.requests[0];
  assert.ok(b.server.requests.length === 1 && request?.verb === "watch");
  const { signal: _, verb: __, ...asked } = request;
  assert.deepEqual(asked, {
    namespace: "default",
    fieldSelector: "spec.nodeName=vk",
    labelSelector: "app=web",
    sendInitialEvents: true,
    timeoutSeconds: 300,
  });
  await b.stop();
});

test("updates tell what was before; managedFields are not kept", async () => {
  const b = bench();
  b.server.create("a", { labels: { step: "1" }, managedFields: [{ manager: "kubectl" }] });
  await b.start();
  b.server.modify("a", { labels: { step: "2" } });
  await settle();
  const [first, second] = b.changes;
  assert.ok(first?.type === "added" && second?.type === "updated");
  assert.equal(second.previous, first.object);
  assert.equal(second.object.metadata.labels?.["step"], "2");
  assert.equal(first.object.metadata.managedFields, undefined);
  assert.equal(second.object.metadata.managedFields, undefined);
  await b.stop();
});

test("a watch that ends or breaks is resumed where it was, without a list", async () => {
  const b = bench();
  b.server.create("a");
  await b.start();
  b.told();
  await b.clock.advance(300_000);
  b.server.cut("end");
  await settle();
  assert.equal(b.server.watching, 1, "at once after an end");
  b.server.cut(away);
  await settle();
  assert.equal(b.server.watching, 0, "with a pause after a break");
  b.server.modify("a");
  b.server.delete("a");
  b.server.create("a");
  await b.clock.advance(250);
  assert.deepEqual(b.told(), ["updated a uid-1@102", "deleted a uid-1@103", "added a uid-2@104"]);
  assert.deepEqual(b.verbs(), ["stream", "watch", "watch"]);
  assert.deepEqual(await b.restarts(), { Ended: 1, Unavailable: 1 });
  await b.stop();
});

test("a watch that the server drops again and again gives way to a wide one that resumes where it was, for minutes", async () => {
  const accept = ({ metadata }: ScriptedObject): boolean => metadata.labels?.["node"] === "ours";
  const b = bench({ fieldSelector: "node=ours", wide: { fieldSelector: "node!=", accept } });
  b.server.create("a", { labels: { node: "ours" } });
  await b.start();
  const asked = (): readonly unknown[] =>
    b.server.requests.splice(0).map((request) => ("fieldSelector" in request ? request.fieldSelector : request.verb));
  for (let end = 0; end < 3; end++) {
    b.server.modify("a");
    await settle();
    b.server.cut("end");
    await settle();
  }
  assert.deepEqual(asked(), ["node=ours", "node=ours", "node=ours", "node!="]);
  b.told();
  b.server.create("b", { labels: { node: "ours" } });
  b.server.modify("a");
  await settle();
  assert.deepEqual(b.told(), ["added b uid-2@105", "updated a uid-1@106"]);
  // What was sent of others is dropped where it is decoded; here is what the client was told to drop.
  assert.equal(accept(b.server.create("foreign", { labels: { node: "other" } })), false);
  b.server.delete("foreign");
  await settle();
  // The wide one has lasted as long as a watch does: the narrow one is next, from where that was.
  b.told();
  await b.clock.advance(400_000);
  b.server.cut("end");
  await settle();
  b.server.delete("b");
  await settle();
  assert.deepEqual(asked(), ["node=ours"]);
  assert.deepEqual(b.told(), ["deleted b uid-2@109"]);
  await b.stop();
});

test("who may not watch more goes on with the narrow watch, and asks again only an hour later", async () => {
  const b = bench({ fieldSelector: "node=ours", wide: { fieldSelector: "node!=", accept: () => true } });
  b.server.create("a");
  await b.start();
  const hurry = async (ends: number): Promise<void> => {
    for (let end = 0; end < ends; end++) {
      b.server.modify("a");
      await settle();
      if (end === ends - 1) b.server.faults.push(new VirtualKubeletError("Forbidden", "not all of them"));
      b.server.cut("end");
      await settle();
    }
  };
  await hurry(3);
  const asked = (): readonly unknown[] =>
    b.server.requests.splice(0).map((request) => ("fieldSelector" in request ? request.fieldSelector : request.verb));
  assert.deepEqual(asked(), ["node=ours", "node=ours", "node=ours", "node!=", "node=ours"]);
  b.server.modify("a");
  await settle();
  assert.equal(b.told().at(-1), "updated a uid-1@105");
  b.server.faults.length = 0;
  for (let end = 0; end < 4; end++) {
    b.server.modify("a");
    await settle();
    b.server.cut("end");
    await settle();
  }
  assert.deepEqual(new Set(asked()), new Set(["node=ours"]));
  await b.stop();
});

test("bookmarks move the place to resume from: no list after a compaction", async () => {
  const b = bench();
  b.server.create("a");
  await b.start();
  b.server.version = 5000;
  b.server.bookmark();
  await settle();
  b.server.compact();
  b.server.cut(away);
  await b.clock.advance(250);
  assert.deepEqual(b.verbs(), ["stream", "watch"]);
  await b.stop();
});

test("after an expiry everything is read anew and only differences are told, deletions first", async () => {
  const b = bench();
  for (const name of ["same", "changed", "gone", "reborn"]) b.server.create(name);
  await b.start();
  const kept = b.informer.get("default", "same");
  b.told();
  b.server.cut(away);
  await settle();
  b.server.modify("changed");
  b.server.delete("gone");
  b.server.delete("reborn");
  b.server.create("reborn");
  b.server.create("new");
  b.server.compact();
  await b.clock.advance(250);
  assert.deepEqual(b.told(), [
    "deleted gone uid-3@103 unseen",
    "deleted reborn uid-4@104 unseen",
    "updated changed uid-2@105",
    "added reborn uid-5@108",
    "added new uid-6@109",
  ]);
  assert.equal(b.informer.get("default", "same"), kept);
  assert.deepEqual(b.verbs(), ["stream", "watch", "stream"]);
  assert.deepEqual(await b.restarts(), { Unavailable: 1, Expired: 1 });
  await b.stop();
});

test("the state of a new read is never seen half-way", async () => {
  const seen: string[] = [];
  const b = bench({
    onChange: () => void seen.push([...b.informer.list()].map(({ metadata }) => metadata.name).join("")),
  });
  for (const name of ["a", "b", "c"]) b.server.create(name);
  b.server.cutInitialAfter = 2;
  await b.start();
  assert.equal(b.informer.size, 0);
  assert.equal(b.informer.hasSynced(), false);
  await b.clock.advance(250);
  assert.deepEqual(seen, ["abc", "abc", "abc"]);

  seen.length = 0;
  b.server.delete("a");
  await settle();
  seen.length = 0;
  b.server.cut(new VirtualKubeletError("Expired", "too old"));
  b.server.cutInitialAfter = 1;
  await settle();
  assert.deepEqual(b.names(), ["b", "c"], "what was cached stays until all is read");
  await b.stop();
});

test("a stream that ends before all objects have come is no state", async () => {
  const b = bench();
  b.server.create("a");
  b.server.withholdsBookmark = true;
  await b.start();
  b.server.cut("end");
  await settle();
  assert.equal(b.informer.hasSynced(), false);
  assert.equal(b.informer.size, 0);
  assert.deepEqual(b.verbs(), ["stream"], "tried again after a pause");
  b.server.withholdsBookmark = false;
  await b.clock.advance(250);
  assert.deepEqual(b.told(), ["added a uid-1@101"]);
  await b.stop();
});

test("the same name with a new UID is another object, seen or not", async () => {
  const b = bench();
  b.server.create("a");
  await b.start();
  b.told();
  const other = b.server.create("a");
  await settle();
  assert.deepEqual(b.told(), ["deleted a uid-1@101 unseen", `added a ${other.metadata.uid}@102`]);
  assert.equal(b.informer.size, 1);
  await b.stop();
});

test("a server that lags repeats events: none is told twice, and what is gone stays gone", async () => {
  const b = bench();
  await b.start();
  b.server.create("a");
  b.server.modify("a");
  b.server.create("b");
  b.server.delete("b");
  await settle();
  b.told();
  b.server.repeats = 4;
  b.server.cut(away);
  await b.clock.advance(250);
  b.server.modify("a");
  await settle();
  assert.deepEqual(b.told(), ["updated a uid-1@105"]);
  await b.stop();
});

test("an object that is no longer accepted is deleted, with its newest state", async () => {
  const b = bench({ accept: ({ metadata }) => metadata?.labels?.["mine"] === "yes" });
  b.server.create("a", { labels: { mine: "yes" } });
  b.server.create("b", { labels: { mine: "no" } });
  b.server.create("c", { labels: { mine: "yes" } });
  await b.start();
  assert.deepEqual(b.told(), ["added a uid-1@101", "added c uid-3@103"]);
  b.server.modify("a", { labels: { mine: "no" } });
  b.server.modify("b", { labels: { mine: "yes" } });
  await settle();
  assert.deepEqual(b.told(), ["deleted a uid-1@104", "added b uid-2@105"]);
  b.server.cut(away);
  await settle();
  b.server.modify("c", { labels: { mine: "no" } });
  b.server.compact();
  await b.clock.advance(250);
  assert.deepEqual(b.told(), ["deleted c uid-3@106"]);
  await b.stop();
});

test("a server without streaming lists: pages, then a watch; an hour later it is asked again", async () => {
  const b = bench();
  b.server.refusesStreaming = refused;
  b.server.create("a");
  await b.start();
  assert.deepEqual(b.told(), ["added a uid-1@101"]);
  assert.deepEqual(b.verbs(), ["stream", "list", "watch"]);
  const expire = async (): Promise<void> => {
    b.server.cut(new VirtualKubeletError("Expired", "too old"));
    await settle();
  };
  await b.clock.advance(60_000);
  await expire();
  assert.deepEqual(b.verbs(), ["list", "watch"]);
  await b.clock.advance(3_600_000);
  b.server.refusesStreaming = undefined;
  await expire();
  assert.deepEqual(b.verbs(), ["stream"]);
  assert.deepEqual(b.told(), []);
  assert.deepEqual(b.lines, []);
  await b.stop();
});

test("reading forbidden: streaming is used once it is allowed", async () => {
  const b = bench();
  const forbidden = new VirtualKubeletError("Forbidden", "may not list");
  b.server.down = forbidden;
  await b.start();
  assert.deepEqual(b.verbs(), ["stream", "list"]);
  b.server.down = undefined;
  await b.clock.advance(250);
  assert.deepEqual(b.verbs(), ["stream"]);
  await b.stop();
});

test("a streaming list that stalls is given up for pages", async () => {
  const b = bench();
  b.server.create("a");
  b.server.withholdsBookmark = true;
  await b.start();
  await b.clock.advance(119_000);
  assert.equal(b.informer.hasSynced(), false);
  await b.clock.advance(1000);
  assert.equal(b.informer.hasSynced(), true);
  assert.deepEqual(b.verbs(), ["stream", "list", "watch"]);
  await b.stop();
});

test("errors for hours: capped back-off, two log lines, and then all is well", async () => {
  const b = bench();
  b.server.create("a");
  await b.start();
  b.told();
  b.server.down = away;
  b.server.cut(away);
  await b.clock.advance(250 + 500 + 1000 + 2000 + 4000 + 8000 + 16_000);
  assert.equal(b.verbs().length, 8);
  await b.clock.advance(6 * 3_600_000);
  assert.equal(b.verbs().length, 720, "one try each 30 s");
  b.server.modify("a");
  b.server.create("b");
  b.server.down = undefined;
  await b.clock.advance(30_000);
  assert.deepEqual(b.told(), ["updated a uid-1@102", "added b uid-2@103"]);
  assert.deepEqual(
    b.lines.map(({ level, message }) => `${level}: ${message}`),
    ["warn: watch failed, trying again until it works", "info: watch works again"],
  );
  b.verbs();
  b.server.cut(away);
  await b.clock.advance(250);
  assert.deepEqual(b.verbs(), ["watch"], "the back-off begins anew");
  await b.stop();
});

const hotLoops: readonly { readonly name: string; readonly spoil: (server: ScriptedCollection) => void }[] = [
  { name: "watches that end at once", spoil: (server) => server.cut("end") },
  { name: "watches that expire at once", spoil: (server) => server.cut(new VirtualKubeletError("Expired", "too old")) },
];
for (const { name, spoil } of hotLoops) {
  test(`${name} make no hot loop`, async () => {
    const b = bench();
    await b.start();
    for (let second = 0; second < 60; second++) {
      for (let round = 0; round < 10; round++) {
        spoil(b.server);
        await settle();
      }
      await b.clock.advance(1000);
    }
    assert.ok(b.verbs().length < 20, "asked too often");
    await b.stop();
  });
}

test("Retry-After is kept", async () => {
  const b = bench();
  b.server.faults.push(new VirtualKubeletError("Throttled", "busy", { retryAfterMs: 45_000 }));
  await b.start();
  await b.clock.advance(44_999);
  assert.deepEqual(b.verbs(), ["stream"]);
  await b.clock.advance(1);
  assert.deepEqual(b.verbs(), ["stream"]);
  await b.stop();
});

test("a failing onChange is logged and stops nothing", async () => {
  let calls = 0;
  const b = bench({
    onChange() {
      calls += 1;
      throw new Error("bug in a controller");
    },
  });
  b.server.create("a");
  b.server.create("b");
  await b.start();
  b.server.modify("a");
  await settle();
  assert.equal(calls, 3);
  assert.deepEqual(b.names(), ["a", "b"]);
  assert.deepEqual(
    b.lines.map(({ level, fields }) => `${level}: ${String(fields["name"])}: ${String(fields["err"])}`),
    ["error: a: bug in a controller", "error: b: bug in a controller", "error: a: bug in a controller"],
  );
  await b.stop();
});

test("a second run reads anew and tells only what changed meanwhile", async () => {
  const b = bench();
  b.server.create("a");
  b.server.create("b");
  await b.start();
  await b.stop();
  b.told();
  b.server.delete("a");
  const controller = new AbortController();
  const run = b.informer.run(controller.signal);
  await settle();
  assert.deepEqual(b.told(), ["deleted a uid-1@101 unseen"]);
  controller.abort();
  await run;
});

test("any history, cut and compacted anywhere: what is told leads to the true state, and nothing is told twice", async () => {
  const name = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("create", "modify", "delete", "recreate"), name }) },
    fc.record({ do: fc.constantFrom("settle", "end", "break", "expire", "compact", "bookmark", "down", "up"), name }),
    fc.record({ do: fc.constantFrom("half", "refuse", "stream", "repeat", "advance", "label"), name }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const model = new Map<string, ScriptedObject>();
      const versions = new Set<string>();
      const b = bench({
        accept: ({ metadata }) => metadata?.labels?.["hidden"] !== "yes",
        onChange(change) {
          const { uid, resourceVersion } = change.object.metadata;
          const known = model.get(uid);
          if (change.type === "deleted") {
            assert.ok(known !== undefined, "deleted, but never added");
            model.delete(uid);
            return;
          }
          assert.equal(change.type, known === undefined ? "added" : "updated");
          assert.ok(!versions.has(`${uid}@${resourceVersion}`), "told twice");
          if (change.type === "updated") assert.equal(change.previous, known);
          versions.add(`${uid}@${resourceVersion}`);
          const namesake = [...model.values()].find((other) => other.metadata.name === change.object.metadata.name);
          assert.ok(namesake === undefined || namesake.metadata.uid === uid, "two objects of one name");
          model.set(uid, change.object);
        },
      });
      const { server } = b;
      await b.start();
      for (const action of steps) {
        const known = server.objects.has(action.name);
        if (action.do === "create" && !known) server.create(action.name);
        if (action.do === "modify" && known) server.modify(action.name, { labels: {} });
        if (action.do === "label" && known) server.modify(action.name, { labels: { hidden: "yes" } });
        if (action.do === "delete" && known) server.delete(action.name);
        if (action.do === "recreate" && known) {
          server.delete(action.name);
          server.create(action.name);
        }
        if (action.do === "settle") await settle();
        if (action.do === "end") server.cut("end");
        if (action.do === "break") server.cut(away);
        if (action.do === "expire") server.cut(new VirtualKubeletError("Expired", "too old"));
        if (action.do === "compact") server.compact();
        if (action.do === "bookmark") server.bookmark();
        if (action.do === "down") server.down = away;
        if (action.do === "up") server.down = undefined;
        if (action.do === "half") server.cutInitialAfter = 1;
        if (action.do === "refuse") server.refusesStreaming = refused;
        if (action.do === "stream") server.refusesStreaming = undefined;
        if (action.do === "repeat") server.repeats = 3;
        if (action.do === "advance") await b.clock.advance(20_000);
      }
      server.down = undefined;
      server.cut(away);
      await b.clock.advance(200_000);
      const truth = [...server.objects.values()]
        .filter(({ metadata }) => metadata.labels?.["hidden"] !== "yes")
        .map(({ metadata }) => `${metadata.name} ${metadata.uid}@${metadata.resourceVersion}`);
      const state = ({ metadata }: ScriptedObject): string =>
        `${metadata.name} ${metadata.uid}@${metadata.resourceVersion}`;
      assert.deepEqual([...b.informer.list()].map(state).sort(), truth.sort(), "the cache");
      assert.deepEqual([...model.values()].map(state).sort(), truth, "what was told");
      assert.deepEqual(
        b.lines.filter(({ level }) => level === "error"),
        [],
      );
      await b.stop();
    }),
    { numRuns: 300 },
  );
});
