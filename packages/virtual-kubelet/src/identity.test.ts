// Who we are to the API server, and which cluster it is: asked until it answers, or until it never will.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "./errors.ts";
import { type Identity, identify, nodeOfUser } from "./identity.ts";
import { FakeClock } from "./testing/fake-clock.ts";
import { LogRecorder } from "./testing/log-recorder.ts";
import { scriptedClient } from "./testing/scripted-client.ts";

/** Through JSON, whose type the reader names. */
function json<T>(value: unknown): T {
  const read: T = JSON.parse(JSON.stringify(value));
  return read;
}

function asked(
  user: string,
  faults: VirtualKubeletError[] = [],
  canRead: ReadonlySet<string> = new Set(["kube-system"]),
  cluster?: string,
) {
  const clock = new FakeClock();
  const end = new AbortController();
  const log = new LogRecorder();
  const client = scriptedClient({
    review: async () => {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      return json({ status: { userInfo: { username: user } } });
    },
    get: async (_of, { name }) => {
      if (!canRead.has(name)) throw new VirtualKubeletError("Forbidden", "no");
      return json({ metadata: { name, uid: `uid-of-${name}`, resourceVersion: "1" } });
    },
  });
  const identity: Promise<Identity> = identify(client, { cluster, clock, log }, end.signal);
  identity.catch(() => {});
  return { identity, clock, end, log };
}

test("a node's credentials and others; the cluster by kube-system, or by the service of the API", async () => {
  const node = await asked("system:node:vk", [], new Set(["kubernetes"])).identity;
  assert.deepEqual(node, { cluster: "uid-of-kubernetes", user: "system:node:vk", credentials: "node-user" });
  const account = await asked("system:serviceaccount:a:b").identity;
  assert.equal(account.credentials, "service-account");
  assert.equal(account.cluster, "uid-of-kube-system");
  assert.equal((await asked("x", [], new Set(), "mine").identity).cluster, "mine");
  assert.equal(nodeOfUser("system:node:vk"), "vk");
  assert.equal(nodeOfUser("system:nodes"), undefined);
});

test("an API server that is away is waited for, however long", async () => {
  const faults = Array.from({ length: 200 }, () => new VirtualKubeletError("Unavailable", "away"));
  const { identity, clock } = asked("x", faults);
  await clock.advance(20 * 60_000);
  assert.ok(faults.length > 50, "not in a hurry");
  await clock.advance(40 * 60_000);
  assert.equal((await identity).user, "x");
});

test("credentials that are not taken, and rights that are missing, are waited for as well, each told once", async () => {
  const canRead = new Set<string>();
  const faults = ["Unavailable", "Unavailable", "Unauthorized", "Unauthorized"] as const;
  const { identity, clock, log } = asked(
    "x",
    faults.map((kind) => new VirtualKubeletError(kind, "no")),
    canRead,
  );
  await clock.advance(60_000);
  canRead.add("kube-system");
  await clock.advance(60_000);
  assert.equal((await identity).cluster, "uid-of-kube-system");
  assert.deepEqual(
    log.lines.map(({ message }) => message.replace(/:.*/, "")),
    [
      "the API server does not answer yet",
      "the API server does not accept the credentials yet",
      "the credentials may not look which cluster this is yet",
    ],
  );
});

test("what will not change by waiting is told at once, and so is the end", async () => {
  for (const kind of ["Forbidden", "Invalid"] as const)
    await assert.rejects(asked("x", [new VirtualKubeletError(kind, "no")]).identity, { kind });
  const { identity, clock, end } = asked("x", [new VirtualKubeletError("Unavailable", "away")]);
  await clock.advance(1);
  end.abort();
  await assert.rejects(identity, { kind: "Aborted" });
  assert.equal(clock.pending, 0);
});
