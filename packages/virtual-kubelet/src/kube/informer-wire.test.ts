// The informer through the real client, over TLS and HTTP/2, while sockets break, lines are cut and the server goes away.
import assert from "node:assert/strict";
import type { Http2ServerResponse } from "node:http2";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { answer, eventually, startFaultServer } from "../testing/fault-server.ts";
import { ScriptedCollection, type ScriptedObject } from "../testing/scripted-collection.ts";
import type { WatchEvent } from "./client.ts";
import { createKubeClient } from "./connect.ts";
import { type Change, Informer } from "./informer.ts";
import { type Resource, resource } from "./resource.ts";

const widgets: Resource<ScriptedObject> = resource("example.test/v1", "Widget", "widgets", true);
const path = "/apis/example.test/v1/namespaces/default/widgets";

/** An event as the API server writes it. */
function wire(event: WatchEvent<ScriptedObject>): string {
  if (event.type !== "BOOKMARK") return `${JSON.stringify(event)}\n`;
  const annotations = event.initialEventsEnd ? { "k8s.io/initial-events-end": "true" } : undefined;
  const metadata = { resourceVersion: event.resourceVersion, annotations };
  return `${JSON.stringify({ type: "BOOKMARK", object: { kind: "Widget", apiVersion: "example.test/v1", metadata } })}\n`;
}

/** Answers a watch from the collection; `cut` breaks off within a line. */
async function serveWatch(
  server: ScriptedCollection,
  query: URLSearchParams,
  response: Http2ServerResponse,
): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const events = server.client.watch(widgets, {
      resourceVersion: query.get("resourceVersion") ?? undefined,
      sendInitialEvents: query.get("sendInitialEvents") === "true",
      signal: gone.signal,
    });
    for await (const event of events) response.write(wire(event));
    response.end();
  } catch (thrown) {
    const error = VirtualKubeletError.from(thrown);
    if (error.kind === "Expired") {
      const status = { kind: "Status", status: "Failure", reason: "Expired", code: 410, message: error.message };
      response.end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
    } else if (error.message === "half a line") response.end('{"type":"ADDED","object":{"metadata":{"name":"half"');
    else response.stream.session?.destroy();
  }
}

test("the informer's state is the server's, through cuts of every kind", async () => {
  const collection = new ScriptedCollection();
  await using server = await startFaultServer((request, response) => {
    const url = new URL(request.url, "https://api.test");
    assert.equal(url.pathname, path);
    if (url.searchParams.get("watch") === "true") {
      assert.equal(url.searchParams.get("allowWatchBookmarks"), "true");
      assert.match(url.searchParams.get("timeoutSeconds") ?? "", /^[3-5]\d\d$/);
      if (url.searchParams.has("sendInitialEvents") && collection.refusesStreaming !== undefined) {
        answer(response, 422, {
          kind: "Status",
          status: "Failure",
          reason: "Invalid",
          code: 422,
          message: "forbidden",
        });
      } else void serveWatch(collection, url.searchParams, response);
      return;
    }
    const items = [...collection.objects.values()];
    answer(response, 200, { kind: "WidgetList", metadata: { resourceVersion: String(collection.version) }, items });
  });
  const client = createKubeClient({
    server: server.url,
    certificateAuthority: { data: server.authority.certificate },
    namespace: "default",
    user: {},
  });
  const changes: Change<ScriptedObject>[] = [];
  const informer: Informer<ScriptedObject> = new Informer({
    client,
    resource: widgets,
    namespace: "default",
    onChange: (change) => changes.push(change),
  });
  const state = (objects: Iterable<ScriptedObject>): string =>
    [...objects]
      .map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`)
      .sort()
      .join();
  const agrees = (what: string): Promise<void> =>
    eventually(() => state(informer.list()) === state(collection.objects.values()), what, 10_000);
  for (let n = 0; n < 2000; n++) collection.create(`w${n}`);
  const controller = new AbortController();
  const run = informer.run(controller.signal);
  await informer.synced;
  await agrees("the first state");
  assert.equal(informer.size, 2000);
  const [first] = informer.list();
  assert.equal(first?.metadata.name, "w0");

  const cuts: readonly { readonly what: string; readonly cut: () => void }[] = [
    { what: "the server ends the watch", cut: () => collection.cut("end") },
    { what: "the connection breaks", cut: () => collection.cut(new VirtualKubeletError("Unavailable", "broken")) },
    { what: "a line is cut", cut: () => collection.cut(new VirtualKubeletError("Unavailable", "half a line")) },
    { what: "the watch is too old", cut: () => collection.cut(new VirtualKubeletError("Expired", "too old")) },
    {
      what: "too old, and the server lists only in pages",
      cut() {
        collection.refusesStreaming = new VirtualKubeletError("Invalid", "no streaming");
        collection.cut(new VirtualKubeletError("Expired", "too old"));
      },
    },
  ];
  for (const [index, { what, cut }] of cuts.entries()) {
    await eventually(() => collection.watching === 1, "a watch is there");
    changes.length = 0;
    cut();
    collection.delete(`w${index}`);
    collection.modify(`w${index + 100}`);
    collection.delete(`w${index + 200}`);
    collection.create(`w${index + 200}`);
    if (index >= 3) collection.compact();
    await agrees(what);
    const told = changes.map(({ type, object }) => `${type} ${object.metadata.name}`).sort();
    const expected = ["added", "deleted"].map((type) => `${type} w${index + 200}`);
    assert.deepEqual(told, [...expected, `deleted w${index}`, `updated w${index + 100}`].sort(), what);
  }

  controller.abort();
  await run;
  await eventually(() => collection.watching === 0, "no watch is left");
  await client.close();
});
