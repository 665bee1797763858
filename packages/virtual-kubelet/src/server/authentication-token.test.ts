// How long a token is known, what is asked of the API server for it, and what happens while that is in trouble.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { TokenServer } from "../testing/scripted-reviews.ts";
import { bearerToken, TokenAuthenticator, type TokenOptions } from "./authentication-token.ts";

interface Bench {
  readonly clock: FakeClock;
  readonly server: TokenServer;
  readonly authenticator: TokenAuthenticator;
  /** The user's name, or undefined. */
  readonly login: (token: string) => Promise<string | undefined>;
}

function bench(options: Partial<TokenOptions> = {}): Bench {
  const clock = new FakeClock();
  const server = new TokenServer();
  const authenticator = new TokenAuthenticator({ client: server.client, clock, random: () => 0.5, ...options });
  const login = async (token: string): Promise<string | undefined> =>
    (await authenticator.authenticate(token, new AbortController().signal))?.username;
  return { clock, server, authenticator, login };
}

/** An unsigned JWT. */
function jwt(claims: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.signature`;
}

describe("a token", () => {
  it("that is accepted is asked for once in two minutes; when it was revoked, it is refused then", async () => {
    const { clock, server, login } = bench();
    server.accept("t", "u");
    assert.equal(await login("t"), "u");
    server.accounts.delete("t");
    await clock.advance(119_999);
    assert.equal(await login("t"), "u");
    assert.equal(server.asked.length, 1);
    await clock.advance(1);
    assert.equal(await login("t"), undefined);
    assert.equal(server.asked.length, 2);
  });

  it("that is refused is asked for again after ten seconds", async () => {
    const { clock, server, login } = bench();
    assert.equal(await login("t"), undefined);
    server.accept("t", "u");
    await clock.advance(9_999);
    assert.equal(await login("t"), undefined);
    assert.equal(server.asked.length, 1);
    await clock.advance(1);
    assert.equal(await login("t"), "u");
  });

  it("is known for as long as configured", async () => {
    const { clock, server, login } = bench({ tokenCacheMs: 1000, refusedTokenCacheMs: 0 });
    server.accept("t", "u");
    await login("t");
    await clock.advance(1000);
    await login("t");
    await login("wrong");
    await login("wrong");
    assert.deepEqual(server.asked, ["t", "t", "wrong", "wrong"]);
  });

  it("that says when it ends is refused from then on, whatever the API server says", async () => {
    const { clock, server, login } = bench();
    const token = jwt({ exp: Math.floor(clock.now() / 1000) + 30 });
    server.accept(token, "u");
    assert.equal(await login(token), "u");
    await clock.advance(29_000);
    assert.equal(await login(token), "u");
    await clock.advance(1000);
    assert.equal(await login(token), undefined);
    assert.equal(server.asked.length, 1, "there is nothing to ask for");
  });

  it("is not believed to last longer than the cache's time", async () => {
    const { clock, server, login } = bench();
    const token = jwt({ exp: clock.now() });
    server.accept(token, "u");
    await login(token);
    await clock.advance(120_000);
    server.accounts.delete(token);
    assert.equal(await login(token), undefined);
  });

  for (const [title, token] of Object.entries({
    "no JWT": "opaque",
    "no end": jwt({ sub: "u" }),
    "an end that is no number": jwt({ exp: "1" }),
    "claims that are null": jwt(null),
    "claims that are a list": jwt([1]),
    "claims that are no JSON": `e30.${Buffer.from("{exp:1").toString("base64url")}.s`,
    "two parts": `e30.${Buffer.from('{"exp":1}').toString("base64url")}`,
    "four parts": `${jwt({ exp: 1 })}.d`,
    "deep claims": `e30.${Buffer.from("[".repeat(9000)).toString("base64url")}.s`,
  })) {
    it(`is left to the API server: ${title}`, async () => {
      const { server, login } = bench();
      server.accept(token, "u");
      assert.equal(await login(token), "u");
      assert.deepEqual(server.asked, [token]);
    });
  }

  it("asked for by a thousand at once is asked for once", async () => {
    const { server, login } = bench();
    server.accept("t", "u");
    const { promise, resolve } = Promise.withResolvers<void>();
    server.hold = promise;
    const logins = Array.from({ length: 1000 }, () => login("t"));
    await settle();
    resolve();
    assert.deepEqual(new Set(await Promise.all(logins)), new Set(["u"]));
    assert.equal(server.asked.length, 1);
  });

  it("is not another one's, however many come at once", async () => {
    const { server, login } = bench();
    const names = Array.from({ length: 500 }, (_, index) => `u${index}`);
    for (const name of names) server.accept(`t-${name}`, name);
    assert.deepEqual(await Promise.all(names.map((name) => login(`t-${name}`))), names);
    assert.deepEqual(await Promise.all(names.map((name) => login(`t-${name}`))), names);
    assert.equal(server.asked.length, 500);
  });

  it("stays known while others try out tokens", async () => {
    const { server, login } = bench({ tokenCacheSize: 10 });
    server.accept("t", "u");
    await login("t");
    for (let index = 0; index < 100; index++) assert.equal(await login(`wrong-${index}`), undefined);
    server.asked.length = 0;
    assert.equal(await login("t"), "u");
    assert.deepEqual(server.asked, []);
    await login("wrong-99");
    await login("wrong-0");
    assert.deepEqual(server.asked, ["wrong-0"], "of the refused ones the last ten are known");
  });

  it("that the API server accepts for nobody is refused", async () => {
    const { server, login } = bench();
    server.accounts.set("none", { authenticated: true });
    server.accounts.set("empty", { authenticated: true, user: { username: "", groups: ["system:masters"] } });
    server.accounts.set("not", { authenticated: false, user: { username: "u" } });
    server.accounts.set("unsaid", { user: { username: "u" } });
    for (const token of server.accounts.keys()) assert.equal(await login(token), undefined);
  });
});

describe("an API server in trouble", () => {
  const unavailable = new VirtualKubeletError("Unavailable", "connection reset");
  const isUnavailable = (error: unknown): boolean =>
    error instanceof VirtualKubeletError && error.kind === "Unavailable" && !error.message.includes("secret-token");

  it("is asked again, with longer and longer waits", async () => {
    const { clock, server, login } = bench();
    server.accept("t", "u");
    server.failures.push(unavailable, new VirtualKubeletError("Throttled", "slow down"), unavailable);
    const waiting = login("t");
    const begun = clock.now();
    await clock.advance(1399);
    assert.equal(server.asked.length, 3);
    await clock.advance(1);
    assert.equal(await waiting, "u");
    assert.equal(clock.now() - begun, 200 + 400 + 800);
  });

  it("that gives no answer within ten seconds is an error, which is not remembered", async () => {
    const { clock, server, login } = bench();
    server.accept("secret-token", "u");
    for (let index = 0; index < 20; index++) server.failures.push(unavailable);
    const waiting = assert.rejects(login("secret-token"), (error: unknown) => {
      assert.match(String(error), /connection reset/, "it says what went wrong lastly");
      return isUnavailable(error);
    });
    await clock.advance(10_000);
    await waiting;
    assert.ok(server.asked.length >= 6 && server.asked.length <= 9, `${server.asked.length} tries`);
    server.failures.length = 0;
    assert.equal(await login("secret-token"), "u");
    assert.equal(clock.pending, 0);
  });

  it("that never answers is an error after ten seconds", async () => {
    const { clock, server, login } = bench();
    server.hold = Promise.withResolvers<void>().promise;
    const waiting = assert.rejects(login("secret-token"), isUnavailable);
    await clock.advance(10_000);
    await waiting;
  });

  it("that refuses our own credentials says nothing about the caller's", async () => {
    for (const kind of ["Forbidden", "Unauthorized", "NotFound", "Internal"] as const) {
      const { server, login } = bench();
      server.failures.push(new VirtualKubeletError(kind, "create tokenreviews: no", { httpStatus: 403 }));
      await assert.rejects(login("secret-token"), isUnavailable);
      assert.equal(server.asked.length, 1, "and asking again does not help");
    }
  });

  it("keeps nobody waiting who has left", async () => {
    const { server, authenticator } = bench();
    server.hold = Promise.withResolvers<void>().promise;
    const leaving = new AbortController();
    const waiting = authenticator.authenticate("t", leaving.signal);
    await settle();
    leaving.abort();
    await assert.rejects(waiting, (error: unknown) => error instanceof VirtualKubeletError && error.kind === "Aborted");
  });
});

it("reviews are counted by what came of them", async () => {
  const metrics = createMetrics();
  const { server, login } = bench({ metrics });
  server.accept("t", "u");
  server.failures.push(new VirtualKubeletError("Forbidden", "no"));
  await assert.rejects(login("t"));
  for (const token of ["t", "t", "wrong"]) await login(token);
  const text = await metrics.registry.getSingleMetricAsString("virtual_kubelet_access_reviews_total");
  for (const outcome of ["error", "authenticated", "refused"])
    assert.match(text, new RegExp(`resource="tokenreviews",outcome="${outcome}"} 1\n?`));
});

describe("an Authorization header", () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ["", undefined],
    ["Basic abc", undefined],
    ["Bearerabc", undefined],
    ["Bearer abc", { token: "abc" }],
    ["bearer abc", { token: "abc" }],
    ["  BEARER \t abc  ", { token: "abc" }],
    ["Bearer", "malformed"],
    ["Bearer ", "malformed"],
    ["Bearer a b", "malformed"],
    ["Bearer a\u0000b", "malformed"],
    ["Bearer é", "malformed"],
    [`Bearer ${"a".repeat(16_384 - 7)}`, { token: "a".repeat(16_384 - 7) }],
    [`Bearer ${"a".repeat(16_384 - 6)}`, "malformed"],
    [`Basic ${"a".repeat(20_000)}`, "malformed"],
  ] as const) {
    it(`${JSON.stringify(header)?.slice(0, 30)} is ${JSON.stringify(expected)?.slice(0, 30)}`, () => {
      assert.deepEqual(bearerToken(header), expected);
    });
  }
});
