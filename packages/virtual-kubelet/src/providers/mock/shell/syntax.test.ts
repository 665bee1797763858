// What the small shell understands, and what it refuses by name.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "./syntax.ts";

test("a quote, an operator or a pipe that is open waits for more lines", () => {
  for (const script of ["echo 'a", 'echo "a', "echo a \\", "true &&", "true ||", "echo a |"]) {
    assert.equal(parse(script).type, "incomplete", script);
  }
});

test("what is not supported is refused by name", () => {
  const refused: Readonly<Record<string, RegExp>> = {
    "for x in a; do echo; done": /^for: not supported/,
    "if true; then echo; fi": /^if: not supported/,
    "while true; do echo; done": /^while: not supported/,
    "(echo a)": /"\(": not supported/,
    "sleep 1 &": /"&": not supported/,
    "cat << end": /"<<": not supported/,
    "echo $(date)": /command substitution: not supported/,
    "echo `date`": /command substitution: not supported/,
    "echo ${a%b}": /bad substitution/,
    "echo >": /unexpected end of file/,
    "; echo": /unexpected ";"/,
    "echo a || | b": /unexpected "\|"/,
  };
  for (const [script, message] of Object.entries(refused)) {
    const parsed = parse(script);
    assert.match(parsed.type === "fault" ? parsed.message : parsed.type, message, script);
  }
});

test("any text is parsed or refused, and nothing else happens", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab $\"'\\|&;<>(){}?12\n#=") }), (script) => {
      assert.ok(["script", "incomplete", "fault"].includes(parse(script).type));
    }),
  );
});

test("a word in single quotes is that word, whatever it is", () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes("'")),
      (text) => {
        const parsed = parse(`echo '${text}'`);
        assert.ok(parsed.type === "script");
        const [part] = parsed.pipelines[0]?.commands[0]?.words[1]?.parts ?? [];
        assert.deepEqual(part, { type: "text", text });
      },
    ),
  );
});
