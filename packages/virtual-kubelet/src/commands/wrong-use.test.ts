import assert from "node:assert/strict";
import { test } from "node:test";
import { program } from "../program/program.ts";

const wrong: readonly (readonly [readonly string[], RegExp, string])[] = [
  [["get"], /^get what\? For example: get pods/, "get "],
  [["gett", "pods"], /^unknown command "gett" \(did you mean get\?\)/, ""],
  [["get", "pods", "-o", "xml"], /^-o xml: must be wide, json, yaml or name/, "get "],
  [["get", "pods", "--nodename", "x"], /^--nodename: is not for get/, "get "],
  [["get", "pods", "--wach"], /^--wach: unknown flag \(did you mean --watch\?\)/, "get "],
  [["logs"], /^logs of one pod: logs POD/, "logs "],
  [["logs", "web", "--tail", "few"], /^--tail few: must be a number of lines/, "logs "],
  [["logs", "web", "--since", "soon"], /^--since soon: must be a time like 30s/, "logs "],
  [["exec"], /^exec in which pod\? exec POD -- COMMAND/, "exec "],
  [["exec", "web"], /^exec web: which command\? exec web -- COMMAND/, "exec "],
  [["exec", "web", "ls", "-la"], /^-l: unknown flag\n-a: unknown flag\nFlags .* behind `--`/, "exec "],
  [["trial", "--provider", "docker"], /--provider: "docker" must be mock .*process .*containers/, "trial "],
  [["trial", "process"], /process: trial takes no arguments/, "trial "],
];
for (const [argv, message, command] of wrong) {
  test(`${argv.join(" ")}: code 2, what is wrong, and where help is`, async () => {
    let stderr = "";
    const code = await program({
      argv,
      env: {},
      cwd: "/",
      stdout: { write: () => assert.fail("printed something") },
      stderr: { write: (text: string) => (stderr += text) },
      run: () => assert.fail("ran"),
    });
    assert.match(stderr, message);
    assert.ok(stderr.endsWith(`\nTry "virtual-kubelet ${command}--help".\n`), stderr);
    assert.equal(code, 2);
  });
}
