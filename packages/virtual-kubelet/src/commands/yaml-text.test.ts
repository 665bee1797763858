import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { yamlForTerminal } from "./yaml-text.ts";

test("what would steer a terminal is escaped, and the YAML means the same", () => {
  const value = {
    plain: "as it is",
    lines: "one\ntwo\n",
    command: "a\u001b[31mred",
    csi: "a\u009b31mred",
    delete: "a\u007fb",
    bidi: "user\u202e\u2066txt.exe",
    tabs: "all:\n\tmake it\n",
    "key\u0085": ["\u200fright to left is no command"],
    long: `${"word ".repeat(40)}\u009d0;title\u0007 ${"word ".repeat(40)}`,
    several: "first\nsecond \u202d\n",
  };
  const text = yamlForTerminal(value);
  assert.deepEqual(parse(text), value);
  assert.match(text, /^plain: as it is\nlines: \|\n {2}one\n {2}two\n/);
  assert.match(text, /^tabs: \|\n {2}all:\n {2}\tmake it$/m);
  assert.doesNotMatch(text.replaceAll(/[\n\t]/g, ""), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
});
