import assert from "node:assert/strict";
import { test } from "node:test";
import { errorText, VirtualKubeletError } from "./errors.ts";

const told: readonly (readonly [string, unknown, string])[] = [
  ["causes that say more follow", new Error("outer", { cause: new Error("inner") }), "outer: inner"],
  ["what is said is not said again", new Error("outer: inner", { cause: new Error("inner") }), "outer: inner"],
  [
    "a code that the cause begins with stands once",
    new VirtualKubeletError("Invalid", "file x cannot be read: EACCES", {
      cause: new Error("EACCES: permission denied, open 'x'"),
    }),
    "file x cannot be read: EACCES: permission denied, open 'x'",
  ],
  [
    "advice of Node.js about its own flags is left out",
    new Error(
      "no connection: unable to verify the first certificate; if the root CA is installed locally, try running Node.js with --use-system-ca",
    ),
    "no connection: unable to verify the first certificate",
  ],
  ["lines become one", new Error("one\n  two"), "one two"],
  ["what is no error", "text", "text"],
];
for (const [title, error, text] of told) test(title, () => assert.equal(errorText(error), text));
