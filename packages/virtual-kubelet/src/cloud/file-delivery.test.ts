import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedFile } from "../resolved-pod.ts";
import { fileDelivery } from "./file-delivery.ts";

function file(path: string, text: string | Uint8Array, more: Partial<ResolvedFile> = {}): ResolvedFile {
  return { path, mode: 0o644, data: Buffer.from(text), secret: false, ...more };
}

/** Only who is root can give files to others. */
const uid = process.getuid?.() === 0 ? 1234 : (process.getuid?.() ?? 0);
const gid = process.getuid?.() === 0 ? 2_500_000 : (process.getgid?.() ?? 0);

test("files arrive whole in their volumes, with their modes and owners", () => {
  const root = mkdtempSync(join(tmpdir(), "vk-file-delivery-"));
  try {
    const long = `${"d".repeat(90)}/${"x".repeat(200)}`;
    const random = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 251));
    const delivery = fileDelivery(
      [
        { path: join(root, "config's"), field: "spec.volumes[0]", files: [file("a/b", "text\n"), file(long, "far")] },
        {
          path: join(root, "token"),
          field: "spec.volumes[1]",
          files: [file("t", random, { mode: 0o400, uid, secret: true })],
        },
        { path: join(root, "empty"), field: "spec.volumes[2]", files: [] },
      ],
      { variableLimit: 500, gid },
    );
    assert.equal(delivery.isSecret, true);
    assert.ok(delivery.variables.length > 1 && delivery.variables.every(({ value }) => value.length <= 500));
    const env = Object.fromEntries(delivery.variables.map(({ name, value }) => [name, value]));
    execFileSync("/bin/sh", ["-c", delivery.script], { env: { ...env, PATH: process.env["PATH"] }, stdio: "pipe" });
    assert.equal(readFileSync(join(root, "config's/a/b"), "utf8"), "text\n");
    assert.equal(readFileSync(join(root, "config's", long), "utf8"), "far");
    assert.deepEqual(readFileSync(join(root, "token/t")), random);
    const { mode, ...owner } = statSync(join(root, "token/t"));
    assert.deepEqual([mode & 0o777, owner.uid, owner.gid], [0o400, uid, gid]);
    assert.ok(statSync(join(root, "empty")).isDirectory());
    for (const directory of ["empty", "token", "config's", "config's/a"])
      assert.equal(statSync(join(root, directory)).mode & 0o777, 0o777, `${directory} can be changed by any user`);
    const broken = { ...env, VK_FILES_1: "" };
    assert.throws(() =>
      execFileSync("/bin/sh", ["-c", delivery.script], {
        env: { ...broken, PATH: process.env["PATH"] },
        stdio: "pipe",
      }),
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("the same files give the same variables; what is too much is refused with the field of the largest", () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 5 });
  fc.assert(
    fc.property(contents, fc.integer({ min: 10, max: 3_000 }), (datas, variableLimit) => {
      const volumes = [
        { path: "/v", field: "spec.volumes[0]", files: datas.map((data, index) => file(`f${index}`, data)) },
      ];
      const first = fileDelivery(volumes, { variableLimit });
      assert.deepEqual(fileDelivery(volumes, { variableLimit }), first);
      const size = first.variables.reduce((sum, { value }) => sum + value.length, 0);
      assert.deepEqual(fileDelivery(volumes, { variableLimit, totalLimit: size }), first);
      assert.throws(
        () => fileDelivery(volumes, { totalLimit: size - 1 }),
        (error: unknown) => error instanceof VirtualKubeletError && error.kind === "Unsupported",
      );
    }),
    { numRuns: 30 },
  );
  const large = [
    { path: "/v", field: "spec.volumes[0]", files: [file("a", "small")] },
    { path: "/w", field: "spec.volumes[1]", files: [file("b", "x".repeat(1_000))] },
  ];
  assert.throws(() => fileDelivery(large, { totalLimit: 20 }), { field: "spec.volumes[1]", message: /1005 bytes/ });
});
