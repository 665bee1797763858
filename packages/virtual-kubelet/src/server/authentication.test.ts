// Who is let in: certificates and tokens side by side, and what bad credentials never become.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { createAuthority } from "../testing/pki.ts";
import { TokenServer } from "../testing/scripted-reviews.ts";
import type { UserInfo } from "./access.ts";
import { type AuthenticationOptions, createAuthenticator, insecureEverybodyIsAnonymous } from "./authentication.ts";

const never = new AbortController().signal;
const certificates = createAuthority("ca");
const issued = (commonName: string, organizations: readonly string[] = []): Uint8Array =>
  new X509Certificate(certificates.issue({ commonName, organizations }).certificate).raw;
const years = 400 * 24 * 3_600_000;

interface Bench {
  readonly clock: FakeClock;
  readonly server: TokenServer;
  readonly user: (authorization?: string, verifiedCertificate?: Uint8Array) => Promise<UserInfo | undefined>;
  /** The user's name, or undefined. */
  readonly login: (authorization?: string, verifiedCertificate?: Uint8Array) => Promise<string | undefined>;
}

function bench(options: Partial<AuthenticationOptions> = {}): Bench {
  const clock = new FakeClock(Date.now());
  const server = new TokenServer();
  const authenticator = createAuthenticator({ client: server.client, clock, ...options });
  const user: Bench["user"] = (authorization, verifiedCertificate) =>
    authenticator.authenticate({ authorization, verifiedCertificate }, never);
  return { clock, server, user, login: async (...args) => (await user(...args))?.username };
}

describe("credentials", () => {
  it("are the certificate first, then the token; each known caller is in system:authenticated, once", async () => {
    const { server, user } = bench();
    server.accept("t", "by-token", ["a", "system:authenticated"]);
    server.accept("bare", "by-token", []);
    const byCertificate = await user("Bearer t", issued("by-certificate", ["g", "h"]));
    assert.deepEqual(
      [byCertificate?.username, byCertificate?.groups],
      ["by-certificate", ["g", "h", "system:authenticated"]],
    );
    assert.deepEqual(server.asked, [], "no token is shown to the API server that nobody needs");
    assert.deepEqual((await user("Bearer t"))?.groups, ["a", "system:authenticated"]);
    assert.deepEqual((await user("Bearer bare"))?.groups, ["system:authenticated"]);
    assert.deepEqual((await user(undefined, issued("x", ["system:unauthenticated"])))?.groups, [
      "system:unauthenticated",
    ]);
  });

  it("of a token carry its UID and extra", async () => {
    const { server, user } = bench();
    const known = { username: "u", uid: "1", groups: ["system:authenticated"], extra: { "a/b": ["c"] } };
    server.accounts.set("t", { authenticated: true, user: known });
    assert.deepEqual(await user("Bearer t"), known);
    assert.deepEqual(await user("Bearer t"), known, "from the cache");
  });

  it("that are missing are refused unless anonymous callers were asked for", async () => {
    assert.equal(await bench().login(), undefined);
    const { user } = bench({ allowAnonymous: true });
    assert.deepEqual(await user(), { username: "system:anonymous", groups: ["system:unauthenticated"] });
  });

  const expired = issued("x");
  for (const [title, authorization, certificate, laterMs] of [
    ["a wrong token", "Bearer wrong", undefined, 0],
    ["a token of an expired JWT", `Bearer e30.${Buffer.from('{"exp":1}').toString("base64url")}.s`, undefined, 0],
    ["no token after the scheme", "Bearer", undefined, 0],
    ["two tokens", "Bearer t t", undefined, 0],
    ["a header that is too long", `Bearer ${"t".repeat(17_000)}`, undefined, 0],
    ["an expired certificate", undefined, expired, years],
    ["a certificate that cannot be read", undefined, new Uint8Array([1]), 0],
    ["a wrong token beside a certificate without a name", "Bearer wrong", issued(""), 0],
    ["a wrong token beside an expired certificate", "Bearer wrong", expired, years],
  ] satisfies readonly (readonly [string, string | undefined, Uint8Array | undefined, number])[]) {
    it(`that are bad never become anonymous: ${title}`, async () => {
      const { clock, server, login } = bench({ allowAnonymous: true });
      server.accept("t", "somebody");
      await clock.advance(laterMs);
      assert.equal(await login(authorization, certificate), undefined);
    });
  }

  it("of no kind we know are as none; a certificate without a name too", async () => {
    const { server, login } = bench({ allowAnonymous: true });
    assert.equal(await login("Basic YTpi"), "system:anonymous");
    assert.equal(await login(""), "system:anonymous");
    assert.equal(await login(undefined, issued("")), "system:anonymous");
    const strict = bench();
    assert.equal(await strict.login("Basic YTpi"), undefined);
    assert.equal(await strict.login(undefined, issued("")), undefined);
    assert.deepEqual([...server.asked, ...strict.server.asked], []);
  });

  it("a good token helps a caller whose certificate has expired on an open connection", async () => {
    const { clock, server, login } = bench();
    server.accept("t", "by-token");
    const certificate = issued("by-certificate");
    assert.equal(await login("Bearer t", certificate), "by-certificate");
    await clock.advance(years);
    assert.equal(await login(undefined, certificate), undefined);
    assert.equal(await login("Bearer t", certificate), "by-token");
  });

  it("do not matter where everybody is taken", async () => {
    for (const authorization of [undefined, "Bearer wrong"])
      assert.deepEqual(await insecureEverybodyIsAnonymous.authenticate({ authorization }, never), {
        username: "system:anonymous",
        groups: ["system:unauthenticated"],
      });
  });
});
