import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import type { LateText, ResolvedContainer } from "../resolved-pod.ts";
import { type PlainProcess, withoutLateTexts } from "./late-env.ts";

const podIP = { fieldPath: "status.podIP" } as const;
const options = {
  field: "spec.containers[0]",
  spec: { env: [{ name: "A" }, { name: "IP" }] },
  podIPs: "'10.0.0.7 fd00::7'",
};

function container(more: Partial<ResolvedContainer>): ResolvedContainer {
  return { name: "web", image: "web", imagePullPolicy: "Always", env: [], mounts: [], ...more };
}

/** What a program sees that is started so: its arguments and variables. */
function seen({ command = [], args = [], env }: PlainProcess): {
  readonly args: unknown;
  readonly env: Map<string, unknown>;
} {
  const [file = "", ...rest] = [...command, ...args];
  const own = Object.fromEntries(env.map(({ name, value }) => [name, value]));
  const { status, stdout, stderr } = spawnSync(file, rest, {
    env: { PATH: "/usr/bin:/bin", ...own },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const found: { readonly args: unknown; readonly env: Record<string, unknown> } = JSON.parse(stdout);
  return { args: found.args, env: new Map(Object.entries(found.env)) };
}

const printer = [
  process.execPath,
  "-e",
  "console.log(JSON.stringify({ args: process.argv.slice(1), env: process.env }))",
  "--",
];

test("addresses of the pod are found out by a shell, in variables and arguments", () => {
  const late = withoutLateTexts(
    container({
      command: printer,
      args: ["--listen", ["http://", podIP, ":80/it's"], "", "a  b"],
      env: [
        { name: "PLAIN", value: "x y" },
        { name: "plain.odd", value: "it's" },
        { name: "secret.odd", value: "hidden", secret: true },
        { name: "IP", value: [podIP] },
        { name: "odd.name", value: ["all: ", { fieldPath: "status.podIPs" }, " '$HOME'"] },
        { name: "NODE", value: [{ fieldPath: "status.hostIP" }, "/", { fieldPath: "status.hostIPs" }] },
        { name: "URL", value: ["db://me:s3cret@", podIP], secret: true },
      ],
    }),
    { ...options, hostIPs: ["192.0.2.1", "192.0.2.2"] },
  );
  assert.doesNotMatch(JSON.stringify(late.command), /s3cret|hidden/);
  assert.deepEqual(late.env, [
    { name: "PLAIN", value: "x y" },
    { name: "NODE", value: "192.0.2.1/192.0.2.1,192.0.2.2" },
    { name: "VK_LATE_0", value: "hidden", secret: true },
    { name: "VK_LATE_1", value: "db://me:s3cret@", secret: true },
  ]);
  const { args, env } = seen(late);
  assert.deepEqual(args, ["--listen", "http://10.0.0.7:80/it's", "", "a  b"]);
  assert.equal(env.get("PLAIN"), "x y");
  assert.equal(env.get("IP"), "10.0.0.7");
  assert.equal(env.get("odd.name"), "all: 10.0.0.7,fd00::7 '$HOME'");
  assert.equal(env.get("URL"), "db://me:s3cret@10.0.0.7");
  assert.deepEqual([env.get("plain.odd"), env.get("secret.odd")], ["it's", "hidden"]);
  assert.ok(![...env.keys()].some((name) => name.startsWith("VK_")));
});

test("whatever the texts hold, they arrive as they are", () => {
  const text = fc.string({ unit: "binary-ascii" }).map((each) => each.replaceAll("\0", ""));
  const part = fc.oneof(text, fc.constant(podIP));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.array(part, { maxLength: 3 }), (value, arg) => {
      const late: LateText = [...value, podIP];
      const plain = withoutLateTexts(
        container({ command: printer, args: [arg, "last"], env: [{ name: "A", value: late }] }),
        options,
      );
      const whole = (parts: readonly (string | typeof podIP)[]): string =>
        parts.map((each) => (typeof each === "string" ? each : "10.0.0.7")).join("");
      const found = seen(plain);
      assert.deepEqual(found.args, [whole(arg), "last"]);
      assert.equal(found.env.get("A"), whole([...value, podIP]));
    }),
    { numRuns: 12 },
  );
});

test("where nothing is late, nothing changes", () => {
  const env = [{ name: "A", value: "b", secret: true as const }];
  assert.deepEqual(withoutLateTexts(container({ args: ["x"], env }), options), {
    command: undefined,
    args: ["x"],
    env,
  });
});

test("what cannot be done is refused with its field", () => {
  const fileKey = { fileKey: { volume: "v", path: "p", key: "k", optional: false } };
  const cases: readonly (readonly [Partial<ResolvedContainer>, string, RegExp])[] = [
    [{ env: [{ name: "IP", value: [podIP] }] }, "spec.containers[0].env[1]", /command/],
    [{ env: [{ name: "SERVICE", value: [podIP] }] }, "spec.containers[0].env", /command/],
    [{ args: [[podIP]] }, "spec.containers[0].args", /command/],
    [
      { command: ["x"], env: [{ name: "A", value: [{ fieldPath: "status.hostIP" }] }] },
      "spec.containers[0].env[0]",
      /hostIP/,
    ],
    [{ command: ["x"], env: [{ name: "A", value: [fileKey] }] }, "spec.containers[0].env[0]", /files/],
  ];
  for (const [more, field, message] of cases)
    assert.throws(
      () => withoutLateTexts(container(more), options),
      (error: unknown) =>
        error instanceof VirtualKubeletError &&
        error.kind === "Unsupported" &&
        error.field === field &&
        message.test(error.message),
    );
});
