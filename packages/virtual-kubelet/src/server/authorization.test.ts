// What is allowed: the questions asked, the order of sub-resources, how long answers are kept, and whose they are.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type InferOutput, looseObject, object, parse, string } from "valibot";
import { VirtualKubeletError } from "../errors.ts";
import type { SubjectAccessReviewStatus } from "../kube/types.gen.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import type { AccessAttributes, AccessDecision, UserInfo } from "./access.ts";
import {
  type AuthorizationOptions,
  accessKey,
  createAuthorizer,
  insecureEverythingIsAllowed,
} from "./authorization.ts";

const asksForSubresource = object({
  spec: looseObject({ resourceAttributes: looseObject({ subresource: string() }) }),
});
type Asked = InferOutput<typeof asksForSubresource>["spec"];

const never = new AbortController().signal;
const user: UserInfo = { username: "u", groups: ["g", "system:authenticated"] };
const attributes = (...subresources: string[]): AccessAttributes => ({ node: "node-a", verb: "get", subresources });

interface Bench {
  readonly clock: FakeClock;
  /** Answers by sub-resource; none: denied. An error is thrown. */
  readonly answers: Map<string, SubjectAccessReviewStatus | Error>;
  readonly asked: Asked[];
  readonly may: (attributes: AccessAttributes, by?: UserInfo) => Promise<AccessDecision>;
}

function bench(options: Partial<AuthorizationOptions> = {}): Bench {
  const clock = new FakeClock();
  const answers: Bench["answers"] = new Map();
  const asked: Asked[] = [];
  const client = scriptedClient({
    review: async (_resource, question) => {
      const { spec } = parse(asksForSubresource, question);
      asked.push(spec);
      await settle(1);
      const status = answers.get(spec.resourceAttributes.subresource) ?? { allowed: false };
      if (status instanceof Error) throw status;
      return { ...question, status };
    },
  });
  const authorizer = createAuthorizer({ client, clock, random: () => 0.5, ...options });
  return { clock, answers, asked, may: (what, by = user) => authorizer.authorize(by, what, never) };
}

const triedOf = ({ asked }: Bench): readonly string[] =>
  asked.map(({ resourceAttributes }) => resourceAttributes.subresource);

describe("the question", () => {
  it("says who, what and which node", async () => {
    const { asked, may } = bench();
    const caller = { ...user, uid: "1", extra: { "a/b": ["c", "d"] } };
    await may({ node: "node-a", verb: "create", subresources: ["proxy"] }, caller);
    await may({ node: "node-a", verb: "", subresources: ["metrics"] });
    assert.deepEqual(asked, [
      {
        user: "u",
        uid: "1",
        groups: ["g", "system:authenticated"],
        extra: { "a/b": ["c", "d"] },
        resourceAttributes: { verb: "create", version: "v1", resource: "nodes", subresource: "proxy", name: "node-a" },
      },
      {
        user: "u",
        groups: ["g", "system:authenticated"],
        resourceAttributes: { verb: "", version: "v1", resource: "nodes", subresource: "metrics", name: "node-a" },
      },
    ]);
  });

  it("is asked for each sub-resource until one is allowed", async () => {
    const first = bench();
    first.answers.set("pods", { allowed: true, reason: "by pods" }).set("proxy", { allowed: true });
    assert.deepEqual(await first.may(attributes("pods", "proxy")), { allowed: true, reason: "by pods" });
    assert.deepEqual(triedOf(first), ["pods"]);
    const second = bench();
    second.answers.set("pods", { allowed: false, denied: true }).set("proxy", { allowed: true });
    assert.equal((await second.may(attributes("pods", "proxy"))).allowed, true);
    assert.deepEqual(triedOf(second), ["pods", "proxy"]);
  });

  it("denied by all is denied, with each reason once", async () => {
    const { answers, may } = bench();
    answers.set("pods", { allowed: false, reason: "no binding", evaluationError: "role x not found" });
    answers.set("proxy", { allowed: false, reason: "no binding", evaluationError: "role x not found" });
    assert.deepEqual(await may(attributes("pods", "proxy")), {
      allowed: false,
      reason: "no binding; role x not found",
    });
    assert.deepEqual(await may(attributes("stats")), { allowed: false, reason: undefined });
    assert.deepEqual(await may(attributes()), { allowed: false, reason: undefined });
  });

  it("answered yes and no is answered no; not answered too", async () => {
    const { answers, may } = bench();
    answers.set("stats", { allowed: true, denied: true });
    assert.equal((await may(attributes("stats"))).allowed, false);
    const empty = createAuthorizer({
      client: scriptedClient({ review: (_resource, question) => Promise.resolve(question) }),
    });
    assert.equal((await empty.authorize(user, attributes("stats"), never)).allowed, false);
  });

  it("has a reason of bounded length", async () => {
    const { answers, may } = bench();
    answers.set("stats", { allowed: false, reason: "x".repeat(100_000) });
    assert.equal((await may(attributes("stats"))).reason?.length, 500);
  });

  it("without an answer is no answer: what comes after it is not asked", async () => {
    const b = bench();
    b.answers
      .set("pods", new VirtualKubeletError("Forbidden", "subjectaccessreviews: not ours"))
      .set("proxy", { allowed: true });
    await assert.rejects(
      b.may(attributes("pods", "proxy")),
      (error: unknown) => error instanceof VirtualKubeletError && error.kind === "Unavailable",
    );
    assert.deepEqual(triedOf(b), ["pods"]);
    b.answers.delete("pods");
    assert.equal((await b.may(attributes("pods", "proxy"))).allowed, true, "and is not remembered");
  });
});

describe("the answer", () => {
  it("yes is good for five minutes, no for half a minute", async () => {
    const b = bench();
    b.answers.set("stats", { allowed: true });
    assert.equal((await b.may(attributes("stats"))).allowed, true);
    assert.equal((await b.may(attributes("metrics"))).allowed, false);
    b.answers.set("stats", { allowed: false }).set("metrics", { allowed: true });
    await b.clock.advance(29_999);
    assert.equal((await b.may(attributes("metrics"))).allowed, false);
    await b.clock.advance(1);
    assert.equal((await b.may(attributes("metrics"))).allowed, true);
    await b.clock.advance(300_000 - 30_000 - 1);
    assert.equal((await b.may(attributes("stats"))).allowed, true);
    assert.equal(b.asked.length, 3);
    await b.clock.advance(1);
    assert.equal((await b.may(attributes("stats"))).allowed, false);
    assert.equal(b.asked.length, 4);
  });

  it("is good for as long as configured", async () => {
    const b = bench({ allowedCacheMs: 1000, deniedCacheMs: 0 });
    b.answers.set("stats", { allowed: true });
    for (const subresource of ["stats", "stats", "metrics", "metrics"]) await b.may(attributes(subresource));
    await b.clock.advance(1000);
    await b.may(attributes("stats"));
    assert.deepEqual(triedOf(b), ["stats", "metrics", "metrics", "stats"]);
  });

  it("is had once for a thousand who ask at once", async () => {
    const b = bench();
    b.answers.set("proxy", { allowed: true });
    const all = await Promise.all(Array.from({ length: 1000 }, () => b.may(attributes("pods", "proxy"))));
    assert.ok(all.every(({ allowed }) => allowed));
    assert.deepEqual(triedOf(b), ["pods", "proxy"]);
  });

  it("is nobody else's, and of nothing else", async () => {
    const b = bench();
    b.answers.set("stats", { allowed: true });
    const questions: readonly (readonly [AccessAttributes, UserInfo])[] = [
      [attributes("stats"), user],
      [attributes("stats"), { ...user, username: "v" }],
      [attributes("stats"), { ...user, uid: "1" }],
      [attributes("stats"), { ...user, groups: ["g"] }],
      [attributes("stats"), { ...user, groups: ["g,system:authenticated"] }],
      [attributes("stats"), { ...user, extra: { a: ["b"] } }],
      [attributes("stats"), { ...user, extra: { a: ["c"] } }],
      [{ ...attributes("stats"), node: "node-b" }, user],
      [{ ...attributes("stats"), verb: "create" }, user],
      [attributes("metrics"), user],
    ];
    for (const [what, by] of [...questions, ...questions]) await b.may(what, by);
    assert.equal(b.asked.length, questions.length);
  });

  it("is forgotten when too many others came; denials push out no permission", async () => {
    const b = bench({ accessCacheSize: 5 });
    b.answers.set("stats", { allowed: true });
    await b.may(attributes("stats"));
    for (let index = 0; index < 50; index++) await b.may({ ...attributes("proxy"), node: `node-${index}` });
    await b.may(attributes("stats"));
    assert.equal(b.asked.length, 51);
    for (let index = 0; index < 5; index++) await b.may({ ...attributes("stats"), node: `node-${index}` });
    await b.may(attributes("stats"));
    assert.equal(b.asked.length, 57);
  });

  it("yes to everything is only for who asked for that", async () => {
    assert.deepEqual(await insecureEverythingIsAllowed.authorize(user, attributes("proxy"), never), { allowed: true });
  });
});

it("no two different questions have the same key", () => {
  // Few and awkward words, so that different splits of the same letters come up.
  const word: fc.Arbitrary<string> = fc.constantFrom(
    "",
    "a",
    "b",
    "ab",
    ",",
    '"',
    '","',
    "[",
    "]",
    "\0",
    "\n",
    "\\",
    "\ud800",
    "\\ud800",
    "é",
    "e\u0301",
  );
  const words = fc.array(word, { maxLength: 3 });
  const question = fc.record({
    username: word,
    uid: fc.option(word, { nil: undefined }),
    groups: words,
    extra: fc.dictionary(word, words, { maxKeys: 2 }),
    node: word,
    verb: word,
    subresource: word,
  });
  type Question = typeof question extends fc.Arbitrary<infer Q> ? Q : never;
  /** Unlike the key: field by field. No UID and an empty one are asked for alike by the API. */
  const same = (a: Question, b: Question): boolean => {
    const list = (x: readonly string[], y: readonly string[]): boolean =>
      x.length === y.length && x.every((each, index) => each === y[index]);
    const names = Object.keys(a.extra);
    return (
      a.username === b.username &&
      (a.uid ?? "") === (b.uid ?? "") &&
      list(a.groups, b.groups) &&
      names.length === Object.keys(b.extra).length &&
      names.every((name) => Object.hasOwn(b.extra, name) && list(a.extra[name] ?? [], b.extra[name] ?? [])) &&
      a.node === b.node &&
      a.verb === b.verb &&
      a.subresource === b.subresource
    );
  };
  const keyOf = ({ node, verb, subresource, ...by }: Question): string =>
    accessKey(by, { node, verb, subresources: [] }, subresource);
  const pair = fc.oneof(
    fc.tuple(question, question),
    // One field apart.
    fc
      .tuple(question, question, fc.constantFrom("username", "uid", "groups", "extra", "node", "verb", "subresource"))
      .map(([a, b, field]): [Question, Question] => [a, { ...a, [field]: b[field] }]),
    // The same letters, split elsewhere.
    fc.tuple(question, word).map(([a, more]): [Question, Question] => [
      { ...a, username: a.username + more },
      { ...a, groups: [more, ...a.groups] },
    ]),
    fc
      .tuple(
        question,
        word,
        fc.shuffledSubarray(["username", "uid", "node", "verb", "subresource"] as const, { minLength: 2 }),
      )
      .map(([a, more, [left = "username", right = "uid"]]): [Question, Question] => [
        { ...a, [left]: `${a[left] ?? ""}${more}` },
        { ...a, [right]: `${more}${a[right] ?? ""}` },
      ]),
  );
  fc.assert(
    fc.property(pair, ([a, b]) => {
      if (!same(a, b)) assert.notEqual(keyOf(a), keyOf(b));
      assert.equal(keyOf(a), keyOf(structuredClone(a)));
    }),
    { numRuns: 5000 },
  );
});
