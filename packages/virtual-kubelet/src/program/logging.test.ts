// Log lines as people and machines read them, without secrets.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { LogFormat, LogLevel } from "./config.ts";
import { createLogger, prettyLine } from "./logging.ts";

function logged(
  use: (log: Logger) => void,
  level: LogLevel = "info",
  format: LogFormat = "json",
  isTTY = false,
): string[] {
  const lines: string[] = [];
  use(createLogger({ level, format, stream: { write: (line: string) => lines.push(line), isTTY } }));
  return lines;
}
const parsed = (lines: readonly string[]): Record<string, unknown>[] => lines.map((line) => JSON.parse(line));

test("a line of JSON has ISO time, level, fields of its ancestors and its own", () => {
  const [line = {}] = parsed(logged((log) => log.child({ node: "vk-0" }).info({ pod: "web-0" }, "created")));
  assert.match(String(line["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...line, time: "" }, { level: "info", time: "", node: "vk-0", pod: "web-0", message: "created" });
});

test("a field that an ancestor has too stands in the line once, as it was given last", () => {
  const [line = ""] = logged((log) =>
    log.child({ node: "vk-0", pod: "old" }).child({ pod: "web-0" }).warn({ node: "vk-1", a: 1 }, "x"),
  );
  assert.equal(line.match(/"node"/g)?.length, 1, line);
  assert.equal(line.match(/"pod"/g)?.length, 1, line);
  const { time: _, ...fields } = JSON.parse(line);
  assert.deepEqual(fields, { level: "warn", node: "vk-1", pod: "web-0", a: 1, message: "x" });
});

test("levels below the least are dropped", () => {
  const levels = (least: LogLevel): unknown[] =>
    parsed(
      logged((log) => {
        for (const level of ["debug", "info", "warn", "error"] as const) log[level]({}, "x");
      }, least),
    ).map(({ level }) => level);
  assert.deepEqual(levels("debug"), ["debug", "info", "warn", "error"]);
  assert.deepEqual(levels("warn"), ["warn", "error"]);
});

describe("errors", () => {
  const error = new VirtualKubeletError("Unavailable", "create failed", {
    cause: new Error("socket closed"),
    reason: "Gone",
  });
  test("have kind and the messages of the chain", () => {
    const [line = {}] = parsed(logged((log) => log.warn({ err: error }, "no")));
    assert.deepEqual(line["err"], { message: "create failed: socket closed", kind: "Unavailable", reason: "Gone" });
  });
  test("have a stack at debug only", () => {
    const [line = {}] = parsed(logged((log) => log.warn({ err: error }, "no"), "debug"));
    assert.match(JSON.stringify(line["err"]), /"stack":"VirtualKubeletError: create failed\\n/);
  });
  test("lose credentials in their text", () => {
    const leak = new Error("GET https://user:hunter2@host/ with Bearer abcdefghijkl failed");
    const [line = ""] = logged((log) => log.error({ err: leak }, "no"), "debug");
    assert.ok(!line.includes("hunter2") && !line.includes("abcdefghijkl"), line);
  });
});

test("values of secret keys are hidden at any depth, names of secrets and numbers are not", () => {
  const fields = {
    token: "s3cret",
    headers: { Authorization: "s3cret", list: [{ client_secret: "s3cret" }] },
    password: { value: "s3cret" },
    secretName: "db",
    tokens: 5,
  };
  const lines = logged((log) => log.child({ apiKey: "s3cret" }).info(fields, "x"));
  assert.ok(!lines.join("").includes("s3cret"), lines.join(""));
  const [line = {}] = parsed(lines);
  assert.deepEqual([line["secretName"], line["tokens"]], ["db", 5]);
});

describe("lines for people", () => {
  test("auto: on a terminal", () => {
    const use = (log: Logger): void => log.info({ namespace: "default", pod: "web-0", node: "vk-0" }, "created");
    assert.match(logged(use, "info", "auto", false)[0] ?? "", /^\{/);
    const [line = ""] = logged(use, "info", "pretty");
    assert.match(line, /^\d\d:\d\d:\d\d INFO {2}node=vk-0 pod=default\/web-0 created\n$/);
    // Not for the eye alone: colour is for terminals.
    assert.match(logged(use, "info", "auto", true)[0] ?? "", /created/);
    assert.ok(!(logged(use, "info", "auto", true)[0] ?? "{").startsWith("{"));
  });
  const at = "2026-01-02T03:04:05.000Z";
  const clock = [new Date(at).getHours(), 4, 5].map((part) => String(part).padStart(2, "0")).join(":");
  const cases: readonly (readonly [object, string])[] = [
    [{ level: "warn", time: at, message: "m", a: "two words", b: 3 }, `${clock} WARN  a="two words" b=3 m`],
    [
      { level: "error", time: at, message: "m", err: { kind: "Quota", message: "full" } },
      `${clock} ERROR m: Quota: full`,
    ],
    [{ level: "error", time: at, message: "m", err: { message: "x", stack: "at y" } }, `${clock} ERROR m: x\nat y`],
    [{ level: "info", time: at, message: "m", err: "text" }, `${clock} INFO  m: text`],
    [{ level: "info", time: at, message: "m", namespace: "ns" }, `${clock} INFO  namespace=ns m`],
  ];
  for (const [line, expected] of cases)
    test(expected, () => assert.equal(prettyLine(JSON.stringify(line), false), expected));
});
