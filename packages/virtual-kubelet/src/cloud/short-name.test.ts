import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { shortName } from "./short-name.ts";

const uid = "0a1b2c3d-0000-4000-8000-00000000000f";

test("a name is readable, has the UID, and fits", () => {
  const cases: readonly (readonly [string, Parameters<typeof shortName>[1], string | RegExp])[] = [
    ["shop-web", { uid, max: 63 }, `shop-web-${uid}`],
    ["Shop/Web.1", { uid, max: 63 }, `shop-web-1-${uid}`],
    ["x".repeat(80), { uid, max: 63 }, `${"x".repeat(26)}-${uid}`],
    ["--", { uid, max: 63 }, uid],
    ["a----------------------------b", { uid, max: 63 }, `a-${uid}`],
    ["web", { uid, max: 37 }, uid],
    ["web", { uid, max: 36 }, uid],
    ["web", { uid, max: 35 }, /^web-[0-9a-z]{25}$/],
    ["web", { uid: "not-a-uuid", max: 63 }, /^web-[0-9a-z]{25}$/],
    ["web", { uid: uid.toUpperCase(), max: 63 }, /^web-[0-9a-z]{25}$/],
    ["shop-web", { uid, max: 63, pattern: /[a-z0-9_]/ }, /^shop_web_[0-9a-z]{25}$/],
    ["shop-web", { uid, max: 63, pattern: /[a-z0-9]/ }, /^shopweb[0-9a-z]{25}$/],
  ];
  for (const [text, options, expected] of cases) {
    const name = shortName(text, options);
    if (typeof expected === "string") assert.equal(name, expected);
    else assert.match(name, expected);
  }
  assert.throws(() => shortName("web", { uid, max: 24 }), VirtualKubeletError);
});

test("whatever the texts, names of two UIDs differ, and one of a pod is always the same", () => {
  const uids = fc.oneof(
    fc.constant(undefined).map(() => randomUUID().toString()),
    fc.string({ minLength: 1 }),
    fc.constantFrom("a", "a-b", "b", "a-b-c"),
  );
  const subjects = fc.record({ text: fc.oneof(fc.string(), fc.constantFrom("a", "a-b", "x-a")), uid: uids });
  fc.assert(
    fc.property(subjects, subjects, fc.integer({ min: 25, max: 70 }), (a, b, max) => {
      const [first, second] = [shortName(a.text, { uid: a.uid, max }), shortName(b.text, { uid: b.uid, max })];
      assert.match(first, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      assert.ok(first.length <= max);
      assert.equal(shortName(a.text, { uid: a.uid, max }), first);
      if (a.uid !== b.uid) assert.notEqual(first, second);
    }),
  );
});
