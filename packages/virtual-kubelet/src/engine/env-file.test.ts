import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EnvFileOutcome, envFileValue } from "./env-file.ts";

const found = (value: string): EnvFileOutcome => ({ type: "found", value });
const absent: EnvFileOutcome = { type: "absent" };
const malformed = (line: number, why: string): EnvFileOutcome => ({ type: "malformed", line, why });
const unquoted = "value must be enclosed in single quotes";
const trailing = "unexpected content after closing quote";

describe("envFileValue", () => {
  const table: readonly (readonly [string, string, EnvFileOutcome])[] = [
    ["plain", "A='1'\nB='2'\n", found("2")],
    ["no line end at the end", "A='1'\nB='2'", found("2")],
    ["space before a name", "  \tB='2'", found("2")],
    ["blank lines and comments", "\n# B='no'\n   \n  # more\nB='2'\n", found("2")],
    ["the first of a name", "B='1'\nB='2'", found("1")],
    ["a comment after a value", "A='1' # one\nB='2'\t# two", found("2")],
    ["spaces after a value", "B='2'  \n", found("2")],
    ["all is literal", `B=' $A \${A} \\n "x" = # '`, found(` $A \${A} \\n "x" = # `)],
    ["more than one line", "A='1'\nB='one\n\n  # two\nthree='\nC='3'", found("one\n\n  # two\nthree=")],
    ["after a value of more than one line", "A='one\ntwo'\nB='2'", found("2")],
    ["not there", "A='1'\n", absent],
    ["empty file", "", absent],
    ["empty value", "B=''\n", absent],
    ["a fault after it", "B='2'\nnonsense", found("2")],
    ["no name", "='1'\nB='2'", malformed(1, "invalid environment variable format")],
    ["no value", "A='1'\nnonsense\nB='2'", malformed(2, "invalid environment variable format")],
    ["space before =", "A ='1'\nB='2'", malformed(1, "whitespace before '=' is not allowed")],
    ["two words before =", "export B='2'", malformed(1, "whitespace before '=' is not allowed")],
    ["space after =", "B= '2'", malformed(1, unquoted)],
    ["no quotes", "A='1'\nB=2\n", malformed(2, unquoted)],
    ["double quotes", 'B="2"', malformed(1, unquoted)],
    ["nothing after =", "B=", malformed(1, unquoted)],
    ["two values", "B='1''2'", malformed(1, trailing)],
    ["more after a value", "B='1'2", malformed(1, trailing)],
    ["a comment without space", "B='1'#2", malformed(1, trailing)],
    ["line of a fault after more than one line", "A='1\n2\n3'\n# x\nB=2", malformed(5, unquoted)],
    ["not closed", "B='1\n2\n", malformed(1, "the single quote is not closed")],
  ];
  for (const [title, text, expected] of table) it(title, () => assert.deepEqual(envFileValue(text, "B"), expected));
});
