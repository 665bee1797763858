import assert from "node:assert/strict";
import { test } from "node:test";
import { readScript } from "./shell.ts";

const cases: readonly {
  readonly what: string;
  readonly text: string;
  readonly commands: readonly (readonly [number, ...string[]])[];
}[] = [
  {
    what: "comments",
    text: "a b # c\n# d\ne#f",
    commands: [
      [1, "a", "b"],
      [3, "e#f"],
    ],
  },
  {
    what: "operators",
    text: "a && b -x || c; d | e &",
    commands: [
      [1, "a"],
      [1, "b", "-x"],
      [1, "c"],
      [1, "d"],
      [1, "e"],
    ],
  },
  {
    what: "lines that go on",
    text: "a \\\n  --b c\nd",
    commands: [
      [1, "a", "--b", "c"],
      [3, "d"],
    ],
  },
  {
    what: "quotes",
    text: `a 'b c' "d \\"e\\"" --f="g h" 'x\ny'\nz`,
    commands: [
      [1, "a", "b c", 'd "e"', "--f=g h", "x\ny"],
      [3, "z"],
    ],
  },
  { what: "redirections", text: "a > out 2>&1 < in b 2> err", commands: [[1, "a", "b"]] },
  {
    what: "placeholders and substitutions",
    text: "a --b=<name> <other thing> $(c d) $E",
    commands: [[1, "a", "--b=<name>", "<other thing>", "$(c d)", "$E"]],
  },
  { what: "assignments and sudo before a command", text: "A=1 B='2 3' sudo a b", commands: [[1, "a", "b"]] },
  {
    what: "prompts: all else is output",
    text: "$ a b\nnpm is no command here\n  $ c",
    commands: [
      [1, "a", "b"],
      [3, "c"],
    ],
  },
];
for (const { what, text, commands } of cases) {
  test(what, () => {
    assert.deepEqual(
      readScript(text).commands.map(({ line, words }) => [line, ...words]),
      commands,
    );
  });
}

test("documents that a command is given are no commands", () => {
  const { commands, heredocs } = readScript("kubectl apply -f - <<'EOF'\nkind: Pod\nnpm: x\nEOF\nls");
  assert.deepEqual(commands, [
    { words: ["kubectl", "apply", "-f", "-"], line: 1 },
    { words: ["ls"], line: 5 },
  ]);
  assert.deepEqual(heredocs, [{ text: "kind: Pod\nnpm: x", line: 2 }]);
});
