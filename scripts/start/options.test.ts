import assert from "node:assert/strict";
import { test } from "node:test";
import { OptionsError, readOptions } from "./options.ts";

const read = (...argv: string[]): ReturnType<typeof readOptions> => readOptions(argv, {}, "/home/me");

test("without options there is a new cluster that stays until Ctrl-C", () => {
  const expected = { cluster: { kind: "new", version: "1.36.3" }, exitAfterReady: false, timeLimitMs: 60_000 };
  assert.deepEqual(read(), expected);
});

test("options mean what they say", () => {
  assert.deepEqual(read("--kubernetes", "1.35", "--exit-after-ready", "--time-limit=90s"), {
    cluster: { kind: "new", version: "1.35.4" },
    exitAfterReady: true,
    timeLimitMs: 90_000,
  });
  const file = read("--kubeconfig", "my/config", "--context", "kind");
  assert.ok(file !== "help");
  assert.deepEqual(file.cluster, { kind: "existing", kubeconfig: "/home/me/my/config", context: "kind" });
  const environment = read("--use-kubeconfig");
  assert.ok(environment !== "help");
  assert.deepEqual(environment.cluster, { kind: "existing", kubeconfig: undefined, context: undefined });
  assert.equal(read("-h"), "help");
  assert.equal(read("--help", "--nonsense"), "help");
});

const faulty: readonly (readonly [readonly string[], readonly RegExp[]])[] = [
  [["--exit-after-redy"], [/--exit-after-redy: unknown option \(did you mean --exit-after-ready\?\)/]],
  [["-k"], [/-k: unknown option/]],
  [["--kubeconfig"], [/--kubeconfig: needs a value/]],
  [["--exit-after-ready=no"], [/--exit-after-ready: takes no value/]],
  [["config"], [/config: takes no arguments.*behind `npm start --`/]],
  [["--context", "kind"], [/--context needs/]],
  [["--time-limit", "2m"], [/--time-limit has no effect without/]],
  [["--use-kubeconfig", "--kubernetes", "1.36"], [/--kubernetes has no effect/]],
  [
    ["--kubeconfig", "a", "--use-kubeconfig", "--bogus", "--time-limit", "soon"],
    [/--bogus: unknown/, /give only one/, /"soon" is no time/],
  ],
  [
    ["--kubernetes", "1.2", "--time-limit", "0s"],
    [/--kubernetes: no Kubernetes 1\.2 here/, /"0s" is no time/],
  ],
];
for (const [argv, faults] of faulty) {
  test(`refused: ${argv.join(" ")}`, () => {
    assert.throws(
      () => read(...argv),
      (error) => {
        assert.ok(error instanceof OptionsError);
        for (const fault of faults) assert.match(error.message, fault);
        assert.equal(error.message.split("\n").length, faults.length, error.message);
        return true;
      },
    );
  });
}
