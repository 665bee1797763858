// Our client against the fake of the service, over TLS: what it asks is right, and it makes of answers and refusals what they mean.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { isErrorKind, silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { SocketTerminal } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import type { RestClient } from "../api/rest-client.ts";
import type { EciCall } from "../eci-client.ts";
import type { ContainerGroup } from "../wire-answers.ts";
import { clientOf, groupOf } from "./eci-bench.ts";
import { FakeEci } from "./fake-eci.ts";

describe("the client of ECI", () => {
  let fake: FakeEci;
  let client: RestClient;
  let call: EciCall;

  before(async () => {
    fake = await FakeEci.start({ runner: new MemoryGroups() });
    client = clientOf(fake);
    call = { signal: AbortSignal.timeout(300_000), log: silentLogger };
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await fake[Symbol.asyncDispose]();
  });

  const reaches = (id: string, status: string): Promise<ContainerGroup> =>
    eventually(`${id} is ${status}`, 10_000, async () => {
      const [found] = await client.describe({ ids: [id] }, call);
      return found?.Status === status ? found : undefined;
    });
  const fails = async (work: Promise<unknown>): Promise<VirtualKubeletError> => {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof VirtualKubeletError ? error : assert.fail(`it did not fail: ${String(error)}`);
  };

  it("is a ping where a look was answered lately, or the service asks for fewer calls", async () => {
    const { length } = fake.calls;
    await client.describe({ tags: [] }, call);
    await client.ping(call);
    assert.equal(fake.calls.length, length + 1);
    await using fresh = clientOf(fake);
    fake.faults.throttle({ perSecond: 0.001, burst: 0.5 });
    const within = (ms: number): EciCall => ({ ...call, signal: AbortSignal.timeout(ms) });
    await eventually("a ping that does not wait", 10_000, async () => {
      await fresh.ping(within(250));
      return true;
    });
    fake.faults.throttle(undefined);
    // Another one knows nothing of that.
    await using other = clientOf(fake);
    fake.faults.down = true;
    assert.equal((await fails(other.ping(call))).kind, "Unavailable");
    fake.faults.down = false;
  });

  it("makes, sees and removes a group", async () => {
    const tags = [{ Key: "app", Value: "ä *~'b" }];
    const request = groupOf("all", "runs", { RestartPolicy: "Always", Tag: tags, ClientToken: "all-1" });
    const id = await client.create(request, call);
    assert.equal(await client.create(request, call), id, "once by its token");
    const running = await reaches(id, "Running");
    assert.deepEqual(running.Tags, tags);
    assert.ok(running.Events?.some(({ Reason }) => Reason === "Started"));
    assert.deepEqual(
      (await client.describe({ tags }, call)).map(({ ContainerGroupId }) => ContainerGroupId),
      [id],
    );
    assert.ok((await client.statusSince({ tags }, 60, call)).some((each) => each.ContainerGroupId === id));
    const [figures] = await client.metrics([id], call);
    assert.equal(figures?.Records[0]?.Containers?.[0]?.Name, "web");
    await client.remove(id, { clientToken: "all-3" }, call);
    await eventually("it is gone", 10_000, async () => (await client.describe({ ids: [id] }, call)).length === 0);
    assert.equal((await fails(client.remove(id, { clientToken: "all-4" }, call))).kind, "NotFound");
    assert.equal((await fails(client.log(id, "web", {}, call))).kind, "NotFound");
  });

  it("reads all pages, and sends what is large in the body", async () => {
    const tags = [{ Key: "page", Value: "1" }];
    const content = Buffer.alloc(30_000, "x").toString("base64");
    const files = { ConfigFileToPath: ["a", "b"].map((Path) => ({ Path, Content: content })) };
    const volume = { Name: "files", Type: "ConfigFileVolume", ConfigFileVolume: files } as const;
    const ids = await Promise.all(
      Array.from({ length: 45 }, (_, index) =>
        client.create(groupOf(`page-${index}`, "exit-0", { Tag: tags, Volume: [volume] }), call),
      ),
    );
    const found = await client.describe({ tags }, call);
    assert.deepEqual(found.map(({ ContainerGroupId }) => ContainerGroupId).sort(), ids.toSorted());
    assert.ok(fake.calls.every(({ urlLength }) => urlLength < 100));
    await Promise.all(ids.map((id) => client.remove(id, { clientToken: `remove-${id}` }, call)));
  });

  it("a try makes nothing, and says what would be wrong", async () => {
    const made = fake.groups.created.length;
    await client.dryRun(groupOf("dry", "runs"), call);
    assert.equal((await fails(client.dryRun(groupOf("-dry", "runs"), call))).kind, "Invalid");
    assert.equal(fake.groups.created.length, made);
    assert.ok(Object.keys((await client.usage(call)).Attributes).length > 0);
  });

  it("reads logs, runs commands, and is in terminals", async () => {
    const id = await client.create(groupOf("shell", "runs"), call);
    await reaches(id, "Running");
    assert.equal(await client.log(id, "web", { tail: 1 }, call), "web env=0\n");
    const terminal = await client.exec(id, "web", { command: ["cat"], stdin: true, tty: false }, call);
    await terminal.write(Buffer.from("typed\n"));
    assert.equal(await firstOf(terminal), "typed\n");
    await eventually("the session is over", 10_000, () => fake.exec.open === 0);
    const ended = await client.exec(id, "web", { command: ["echo", "over"], stdin: false, tty: false }, call);
    const chunks: Uint8Array[] = [];
    for await (const chunk of ended.output) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "over\n");
    const long = ["echo", "x".repeat(257)];
    assert.equal(
      (await fails(client.exec(id, "web", { command: long, stdin: false, tty: false }, call))).kind,
      "Invalid",
    );
  });

  async function firstOf(terminal: SocketTerminal): Promise<string> {
    for await (const chunk of terminal.output) return Buffer.from(chunk).toString();
    return "";
  }

  it("errors have their kinds", async () => {
    const list = (): Promise<unknown> => client.describe({}, call);
    const kinds: readonly (readonly [number, string, string])[] = [
      [400, "Throttling.User", "Throttled"],
      [503, "ServiceUnavailable", "Unavailable"],
      [500, "InternalError", "Unavailable"],
      [403, "Forbidden.RAM", "Forbidden"],
      [403, "QuotaExceeded", "Quota"],
      [400, "InvalidParameter", "Invalid"],
      [400, "IncorrectStatus", "Conflict"],
    ];
    for (const [status, code, kind] of kinds) {
      fake.faults.add({ answer: { status, code } });
      // Creations alone are told of it at once: other calls wait and come again.
      const error = await fails(kind === "Throttled" ? client.create(groupOf("never", "runs"), call) : list());
      assert.deepEqual([error.kind, error.reason], [kind, code], code);
    }
    fake.faults.add({ text: { body: "<html>Bad gateway</html>" } });
    assert.equal((await fails(list())).kind, "Unavailable");
    fake.faults.add({ loseAnswer: true });
    assert.equal((await fails(list())).kind, "Unavailable");
    fake.faults.down = true;
    assert.equal((await fails(list())).kind, "Unavailable");
    fake.faults.down = false;
    await list();
  });

  it("an answer that was lost made its group once", async () => {
    fake.faults.add({ action: "CreateContainerGroup", loseAnswer: true });
    const request = groupOf("lost", "runs", { ClientToken: "lost-1" });
    assert.ok(isErrorKind(await fails(client.create(request, call)), "Unavailable"));
    const id = await client.create(request, call);
    assert.equal(fake.groups.created.filter(({ name }) => name === "lost").length, 1);
    assert.equal(fake.groups.named("lost")?.id, id);
  });

  it("keys that expire are read anew once; those that are wrong are told of without the secret", async () => {
    const old = { accessKeyId: "STS.old", accessKeySecret: "old-secret", securityToken: "old-token" };
    const renewed = { accessKeyId: "STS.new", accessKeySecret: "new-secret", securityToken: "new-token" };
    fake.keys.push({ ...old, expiresAt: 1 }, { ...renewed, expiresAt: Date.now() + 60_000 });
    let present = old;
    let refused = 0;
    const keys = {
      keys: async () => present,
      refused: () => {
        refused += 1;
        present = renewed;
      },
    };
    await using lent = clientOf(fake, { keys });
    await lent.ping(call);
    assert.equal(refused, 1);
    const wrong = { accessKeyId: "LTAIfake", accessKeySecret: "wrong-secret" };
    await using stranger = clientOf(fake, { keys: { keys: async () => wrong, refused: () => {} } });
    const error = await fails(stranger.ping(call));
    assert.equal(error.kind, "Unauthorized");
    assert.equal(error.reason, "SignatureDoesNotMatch");
    assert.ok(!JSON.stringify([error.message, String(error.cause)]).includes("wrong-secret"));
  });

  it("a call that is given up is aborted", async () => {
    fake.faults.add({ delayMs: 3_600_000 });
    const error = await fails(client.usage({ ...call, signal: AbortSignal.timeout(50) }));
    assert.equal(error.kind, "Aborted");
  });

  it("all that passed was of the vendor's models", () => {
    assert.deepEqual(fake.problems, []);
  });
});
