// Which word may have been meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import { closest, hint } from "./closest.ts";

const known = ["nodename", "nodes", "provider", "provider-config", "log-level"];
const cases: readonly (readonly [string, string | undefined])[] = [
  ["nodenme", "nodename"],
  ["node-name", "nodename"],
  ["LogLevel", "log-level"],
  ["providr", "provider"],
  ["log-le", "log-level"],
  ["prov", undefined],
  ["node", "nodes"],
  ["log", undefined],
  ["xyz", undefined],
  ["completely-different", undefined],
];
for (const [word, meant] of cases)
  test(`${word}: ${meant ?? "nothing"}`, () => assert.equal(closest(word, known), meant));

test("as the end of a message", () => {
  assert.equal(hint("nods", known, "--"), " (did you mean --nodes?)");
  assert.equal(hint("zzzzzz", known), "");
});
