// Tokens in fake time: asked for once, renewed before they are old, kept while they are good.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemoryObjects } from "../testing/memory-objects.ts";
import { RenewedCredentials } from "./renewed-credentials.ts";
import { requestToken, tokenKey } from "./service-account-token.ts";
import type { TokenSource } from "./sources.ts";

const minute = 60_000;
const hour = 60 * minute;
const source: TokenSource = {
  ...{ namespace: "shop", serviceAccount: "robot", podName: "web-0", podUid: "u", audience: undefined },
  expirationSeconds: 3600,
};

class Bench implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly api = new MemoryObjects(() => this.clock.now());
  readonly log = new LogRecorder();
  readonly told: string[] = [];
  random = 0;
  readonly tokens: RenewedCredentials<TokenSource, string>;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const random = (): number => this.random;
    this.tokens = new RenewedCredentials({
      name: "tokens",
      workers: 16,
      key: tokenKey,
      ask: (of, signal) => requestToken(this.api.client, of, random, signal),
      onChange: (uid) => this.told.push(uid),
      clock: this.clock,
      random,
      log: this.log,
      metrics: createMetrics(),
    });
    this.#running = this.tokens.run(this.#end.signal);
  }

  look(more: Partial<TokenSource> = {}): string {
    const view = this.tokens.hold({ ...source, ...more });
    return view.state === "found"
      ? view.value
      : view.state === "unreadable"
        ? `unreadable: ${view.message}`
        : view.state;
  }

  /** Seconds at which tokens were asked for. */
  get asked(): readonly number[] {
    const begun = Date.UTC(2026, 0, 1);
    return this.api.tokenRequests.map(({ at }) => (at - begun) / 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.clock.advance(0);
    await this.#running;
  }
}

describe("tokens", () => {
  it("are bound to the pod, for the audience asked for", async () => {
    await using bench = new Bench();
    assert.equal(bench.look({ audience: "vault", expirationSeconds: 600 }), "pending");
    bench.look();
    await settle();
    const boundObjectRef = { apiVersion: "v1", kind: "Pod", name: "web-0", uid: "u" };
    assert.deepEqual(
      bench.api.tokenRequests.map(({ name, request }) => [name, request.spec]),
      [
        ["robot", { audiences: ["vault"], expirationSeconds: 600, boundObjectRef }],
        ["robot", { audiences: [], expirationSeconds: 3600, boundObjectRef }],
      ],
    );
    assert.deepEqual(bench.told, ["u", "u"]);
    assert.equal(bench.look({ audience: "vault", expirationSeconds: 600 }), "token 1");
    assert.equal(bench.look(), "token 2");
  });

  it("are renewed at 80 % of their life, by our own clock", async () => {
    await using bench = new Bench();
    bench.look();
    await bench.clock.advance(3 * hour);
    assert.deepEqual(bench.asked, [0, 2880, 5760, 8640]);
    assert.equal(bench.told.length, 4);
    assert.equal(bench.look(), "token 4");
  });

  it("are renewed a little earlier at random, not all at once", async () => {
    await using bench = new Bench();
    bench.random = 0.99;
    bench.look();
    await bench.clock.advance(hour);
    assert.ok((bench.asked[1] ?? 0) < 2880 && (bench.asked[1] ?? 0) >= 2870);
  });

  it("are renewed after a day, however long they live", async () => {
    await using bench = new Bench();
    bench.look({ expirationSeconds: 365 * 86_400 });
    await bench.clock.advance(49 * hour);
    assert.deepEqual(bench.asked, [0, 86_400, 172_800]);
  });

  it("have the life that the server gives them", async () => {
    await using bench = new Bench();
    bench.api.tokenSeconds = 600;
    bench.look();
    await bench.clock.advance(10 * minute);
    assert.deepEqual(bench.asked, [0, 480]);
  });

  it("are kept while they are good when there is no new one", async () => {
    await using bench = new Bench();
    bench.look();
    await settle();
    bench.api.fault = () => new VirtualKubeletError("Unavailable", "down");
    await bench.clock.advance(59 * minute);
    assert.equal(bench.look(), "token 1");
    assert.deepEqual(bench.told, ["u"]);
    await bench.clock.advance(2 * minute);
    assert.equal(bench.look(), "unreadable: down");
    bench.api.fault = undefined;
    await bench.clock.advance(2 * minute);
    assert.equal(bench.look(), "token 2");
  });

  it("are asked for again soon while an authoriser lags, then less often; the pod is told", async () => {
    await using bench = new Bench();
    let refused = 0;
    bench.api.fault = () => {
      refused += 1;
      return new VirtualKubeletError("Forbidden", "no relationship found");
    };
    bench.look();
    await bench.clock.advance(9900);
    assert.ok(refused >= 15 && refused <= 25, String(refused));
    assert.deepEqual([bench.told, bench.look()], [[], "pending"]);
    await bench.clock.advance(200);
    assert.deepEqual([bench.told, bench.look()], [["u"], "unreadable: no relationship found"]);
    refused = 0;
    await bench.clock.advance(10 * minute);
    assert.ok(refused < 25, String(refused));
    bench.api.fault = undefined;
    await bench.clock.advance(minute);
    assert.equal(bench.look(), "token 1");
    assert.equal(bench.log.count(/./, "warn") + bench.log.count(/./, "error"), 0);
  });

  it("are forgotten with their pod", async () => {
    await using bench = new Bench();
    bench.look();
    await settle();
    bench.tokens.release(bench.tokens.key(source));
    assert.equal(bench.tokens.size, 0);
    await bench.clock.advance(2 * hour);
    assert.deepEqual(bench.asked, [0]);
    // One that is being asked for when it is let go of.
    bench.look({ podUid: "v" });
    bench.tokens.release(bench.tokens.key({ ...source, podUid: "v" }));
    await bench.clock.advance(hour);
    assert.deepEqual([bench.tokens.size, bench.told], [0, ["u"]]);
  });

  it("never show in the log", async () => {
    await using bench = new Bench();
    bench.look();
    await bench.clock.advance(3 * hour);
    assert.doesNotMatch(JSON.stringify(bench.log.lines), /token \d/);
  });
});

describe("a refusal that no patience helps", () => {
  it("is told at once, and asked again when the other side said", async () => {
    const clock = new FakeClock();
    const asked: number[] = [];
    const told: string[] = [];
    const credentials = new RenewedCredentials<TokenSource, string>({
      name: "certificates",
      workers: 1,
      key: tokenKey,
      ask: () => {
        asked.push(clock.now());
        throw new VirtualKubeletError("Invalid", "denied", { retryAfterMs: minute });
      },
      onChange: (uid) => told.push(uid),
      clock,
      random: () => 0,
      log: new LogRecorder(),
      metrics: createMetrics(),
    });
    const end = new AbortController();
    const running = credentials.run(end.signal);
    credentials.hold(source);
    await settle();
    assert.deepEqual([told, credentials.hold(source)], [["u"], { state: "unreadable", message: "denied" }]);
    await clock.advance(59_000);
    assert.equal(asked.length, 1);
    await clock.advance(2000);
    assert.equal(asked.length, 2);
    end.abort();
    await clock.advance(0);
    await running;
  });
});
