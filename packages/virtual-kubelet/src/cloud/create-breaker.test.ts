// A cloud that answers nothing or refuses the credentials is left alone, the node tells so, and one pod decides when that is over.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type ErrorDetails, type ErrorKind, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { NodeReport } from "../provider/node.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { CreateBreaker } from "./create-breaker.ts";

class Bench {
  readonly clock: FakeClock = new FakeClock();
  readonly breaker: CreateBreaker = new CreateBreaker("cloud", this.clock);
  asked = 0;
  fault: VirtualKubeletError | undefined;

  /** The kind of error that a create of this pod ends with. */
  async create(uid: string = randomUUID()): Promise<VirtualKubeletError | undefined> {
    try {
      await this.breaker.judged(uid, async () => {
        this.asked += 1;
        if (this.fault !== undefined) throw this.fault;
      });
      return undefined;
    } catch (error) {
      return VirtualKubeletError.from(error);
    }
  }

  async fails(times: number, kind: ErrorKind, details: ErrorDetails = {}, uid?: string): Promise<void> {
    this.fault = new VirtualKubeletError(kind, `it says ${kind}`, details);
    for (let count = 0; count < times; count++) assert.ok(isErrorKind(await this.create(uid), kind));
  }
}

for (const kind of ["Unavailable", "Unauthorized", "Forbidden"] as const)
  test(`after five creates in a row that end with ${kind} no more are sent, until one has gone well`, async () => {
    const bench = new Bench();
    await bench.fails(5, kind);
    const barred = await bench.create();
    assert.equal(bench.asked, 5);
    assert.equal(barred?.kind, "Throttled");
    assert.match(barred?.message ?? "", new RegExp(`^cloud is left alone for a while: it says ${kind}$`));
    assert.equal(barred?.retryAfterMs, 5000);
    assert.equal(bench.breaker.condition.status, "False");

    await bench.clock.advance(5000);
    assert.equal(bench.breaker.condition.status, "Unknown");
    assert.equal((await bench.create())?.kind, kind);
    assert.equal((await bench.create())?.retryAfterMs, 10_000, "twice as long");
    await bench.clock.advance(10_000);
    bench.fault = undefined;
    assert.equal(await bench.create(), undefined);
    assert.equal(await bench.create(), undefined);
    assert.equal(bench.breaker.condition.status, "True");
    assert.equal(bench.asked, 8);
  });

test("a hundred pods at the moment of the try are one call", async () => {
  const bench = new Bench();
  await bench.fails(5, "Unavailable");
  await bench.clock.advance(5000);
  const answer = Promise.withResolvers<void>();
  const trial = bench.breaker.judged("a", () => answer.promise);
  for (let count = 0; count < 100; count++) assert.equal((await bench.create())?.retryAfterMs, 1000);
  assert.equal(bench.asked, 5);
  answer.resolve();
  await trial;
  bench.fault = undefined;
  assert.equal(await bench.create(), undefined);
});

for (const [what, kind, details, uid] of [
  ["a quota that is used up", "Quota", {}, undefined],
  ["throttling", "Throttled", {}, undefined],
  ["an image that is not there", "Unavailable", { reason: "ErrImagePull" }, undefined],
  ["what the pod asks for", "Forbidden", { field: "metadata.annotations[role]" }, undefined],
  ["the rights of one pod", "Forbidden", {}, "one"],
] as const)
  test(`${what} is no fault of the cloud`, async () => {
    const bench = new Bench();
    await bench.fails(20, kind, details, uid);
    assert.equal(bench.asked, 20);
    assert.equal(bench.breaker.condition.status, "True");
  });

test("the node's reports have the condition, at once and at each change; a source that fails is told", async () => {
  const bench = new Bench();
  const end = new AbortController();
  const context = { signal: end.signal, log: silentLogger };
  const told: string[] = [];
  const follow = async (reports: AsyncIterable<NodeReport>): Promise<void> => {
    for await (const { capacity, conditions = [] } of reports)
      told.push(`${capacity?.["cpu"]} ${conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`)}`);
  };
  const source = Promise.withResolvers<void>();
  async function* reports(): AsyncGenerator<NodeReport> {
    yield { capacity: { cpu: "8" } };
    await source.promise;
  }
  const following = follow(bench.breaker.reports(reports, context));
  await bench.clock.advance(1);
  await bench.fails(5, "Unauthorized");
  await bench.clock.advance(1);
  const type = "virtual-kubelet.io/ProviderTakesPods";
  assert.deepEqual(told, [`8 ${type}=True CircuitClosed`, `8 ${type}=False CircuitOpen`]);
  source.reject(new VirtualKubeletError("Unavailable", "cut"));
  await assert.rejects(following, /cut/);
  end.abort();
  // Without a source.
  const alone = bench.breaker.reports(undefined, { signal: AbortSignal.timeout(300_000), log: silentLogger });
  assert.deepEqual(
    (await alone.next()).value?.conditions?.map(({ reason }: { reason?: string }) => reason),
    ["CircuitOpen"],
  );
  await alone.return(undefined);
});
