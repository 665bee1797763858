import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LateText } from "../resolved-pod.ts";
import { expand } from "./expansion.ts";
import { joined, late } from "./late-text.ts";

const variables: Readonly<Record<string, LateText>> = {
  A: "1",
  B: "two",
  EMPTY: "",
  DOLLAR: "$(A)",
  "a.b-c d": "odd",
  IP: late("status.podIP"),
};
const lookup = (name: string): LateText | undefined => (Object.hasOwn(variables, name) ? variables[name] : undefined);

describe("expand", () => {
  const table: readonly (readonly [string, LateText])[] = [
    ["", ""],
    ["plain", "plain"],
    ["$(A)", "1"],
    ["x$(A)y$(B)z", "x1ytwoz"],
    ["$(A)$(A)", "11"],
    ["$(EMPTY)", ""],
    ["$(a.b-c d)", "odd"],
    // Unknown: as it is.
    ["$(NONE)", "$(NONE)"],
    ["$()", "$()"],
    // Escaped.
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$$$$(A)", "$$(A)"],
    ["$$", "$"],
    ["a$$b", "a$b"],
    // No references.
    ["$", "$"],
    ["$A", "$A"],
    ["$(A", "$(A"],
    ["$(A$(B)", "$(A$(B)"],
    ["$ (A)", "$ (A)"],
    // What was put in is not looked at again.
    ["$(DOLLAR)", "$(A)"],
    // Known later.
    ["$(IP)", late("status.podIP")],
    ["http://$(IP):$(A)/", ["http://", { fieldPath: "status.podIP" }, ":1/"]],
    ["$$(IP)", "$(IP)"],
  ];
  for (const [text, expected] of table) {
    it(JSON.stringify(text), () => assert.deepEqual(expand(text, lookup), expected));
  }

  it("does as a plain reading of the rules, character by character", () => {
    const piece = fc.constantFrom("$", "(", ")", "A", "B", "$(A)", "$$", "$(NONE)", "$(EMPTY)", " ", "x");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join("");
        assert.equal(expand(text, lookup), read(text));
      }),
    );
  });

  it("never loses or adds what is no reference", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (!text.includes("$")) assert.equal(expand(text, lookup), text);
        assert.equal(expand(text.replaceAll("$", "$$$$"), lookup), text);
      }),
    );
  });
});

function read(text: string): string {
  let out = "";
  for (let at = 0; at < text.length; at++) {
    const next = text[at + 1];
    const end = text.indexOf(")", at);
    if (text[at] !== "$") out += text[at];
    else if (next === "$") {
      out += "$";
      at += 1;
    } else if (next === "(" && end >= 0) {
      const name = text.slice(at + 2, end);
      const value = lookup(name);
      out += typeof value === "string" ? value : `$(${name})`;
      at = end;
    } else out += "$";
  }
  return out;
}

describe("joined", () => {
  it("is plain where nothing is late, and has no two plain parts in a row", () => {
    assert.equal(joined([]), "");
    assert.equal(joined(["", "a", "", "b"]), "ab");
    assert.deepEqual(joined(["a", "b", late("status.hostIP"), "c", "", "d"]), [
      "ab",
      { fieldPath: "status.hostIP" },
      "cd",
    ]);
    assert.deepEqual(joined([late("status.podIP"), late("status.podIP")]), [
      { fieldPath: "status.podIP" },
      { fieldPath: "status.podIP" },
    ]);
  });
});
