// Logs of processes: their files, their rotation, and what a reader has of them. Needs root on Linux.
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ProcessBench, quiet, until } from "../../testing/process-bench.ts";
import { LogCollector, logNumbers, logPath } from "./log-collector.ts";
import { countBack, cutLines, LineTimes } from "./log-lines.ts";
import { readLog } from "./log-reader.ts";

const limits = { maxBytes: 4096, maxFiles: 3 };

describe("lines of the CRI format", () => {
  const bytes = fc.array(fc.oneof(fc.constant("\n"), fc.string({ maxLength: 10 }), fc.constant("x".repeat(20_000))), {
    maxLength: 30,
  });

  it("hold every byte, wherever it was cut, and are counted back to it", () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(50_000)), (parts, cuts) => {
        const raw = Buffer.from(parts.join(""));
        const times = new LineTimes();
        const log: Buffer[] = [];
        let at = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), raw.length]) {
          const end = Math.min(raw.length, Math.max(at, cut));
          const { lines, consumed } = cutLines(raw.subarray(at, end), "stdout", end === raw.length, () =>
            times.next(1n),
          );
          log.push(...lines);
          at += consumed;
        }
        const text = Buffer.concat(log);
        const counted = countBack(text);
        assert.equal(counted.whole, text.length);
        assert.equal(Math.min(counted.stdout, raw.length), raw.length);
        const content = text
          .toString()
          .split("\n")
          .slice(0, -1)
          .map((line) => line.replace(/^\S+ stdout ([FP]) /, "$1"))
          .map((line) => `${line.slice(1)}${line.startsWith("F") ? "\n" : ""}`)
          .join("");
        assert.equal(content, raw.length === 0 || raw.at(-1) === 10 ? raw.toString() : `${raw.toString()}\n`);
      }),
    );
  });

  it("have times that only rise, with nine digits", () => {
    const times = new LineTimes();
    const now = 1_700_000_000_123_456_789n;
    const said = [times.next(now), times.next(now), times.next(now - 5n), times.next(now + 10n)];
    assert.deepEqual(said, [
      "2023-11-14T22:13:20.123456789Z",
      "2023-11-14T22:13:20.123456790Z",
      "2023-11-14T22:13:20.123456791Z",
      "2023-11-14T22:13:20.123456799Z",
    ]);
  });
});

describe("a collector", () => {
  it("that is cut off anywhere is gone on with by the next: no line lost, none doubled", async () => {
    const directory = mkdtempSync(join(tmpdir(), "vk-log-"));
    try {
      let written = 0;
      for (let turn = 0; turn < 30; turn++) {
        for (let index = 0; index < 40; index++)
          appendFileSync(join(directory, turn % 3 === 0 ? "stderr" : "stdout"), `line ${written++}\n`);
        const collector = new LogCollector(directory, { ...limits, maxFiles: 1000 });
        await collector.pump();
        await collector.close();
        // As if the program had been killed in the middle of a line.
        const last = logNumbers(directory).at(-1) ?? 0;
        appendFileSync(join(directory, "log", `${last}.log`), "2023-11-14T22:13:20.123456789Z stdout F li");
      }
      const collector = new LogCollector(directory, { ...limits, maxFiles: 1000 });
      await collector.pump(true);
      const text: string[] = [];
      for await (const chunk of readLog(collector, { follow: false, signal: quiet.signal }))
        text.push(Buffer.from(chunk).toString());
      const numbers = text
        .join("")
        .split("\n")
        .slice(0, -1)
        .map((line) => Number(/line (\d+)$/.exec(line)?.[1]));
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: written }, (_, index) => index),
      );
      assert.ok(logNumbers(directory).length > 3);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("keeps so many files of so many bytes, and gives back what it has read", async () => {
    const directory = mkdtempSync(join(tmpdir(), "vk-log-"));
    try {
      mkdirSync(join(directory, "log"));
      writeFileSync(join(directory, "stdout"), "");
      const collector = new LogCollector(directory, limits);
      for (let turn = 0; turn < 50; turn++) {
        appendFileSync(join(directory, "stdout"), `${"x".repeat(99)}\n`.repeat(100));
        await collector.pump();
      }
      const files = logNumbers(directory);
      assert.equal(files.length, 3);
      assert.equal(readdirSync(join(directory, "log")).length, 4, "and the position");
      const { size, blocks } = statSync(join(directory, "stdout"));
      assert.equal(size, 500_000);
      assert.ok(blocks * 512 < 100_000, `${blocks * 512} bytes are taken`);
      await collector.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe("a container's log", () => {
  it("is followed over its rotation to its end, each line once, stdout and stderr apart", async () => {
    await using bench = new ProcessBench({ logs: { maxSize: "64Ki", maxFiles: 200 } });
    await bench.open();
    const ref = await bench.run(
      await bench.pod(),
      "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; echo over >&2; printf rest",
    );
    const { data } = await bench.runtime.logs(ref, { follow: true }, quiet);
    const chunks: Uint8Array[] = [];
    for await (const chunk of data) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString().split("\n").slice(0, -1);
    const out = lines
      .filter((line) => line.includes(" stdout F line "))
      .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
    assert.deepEqual(
      out,
      Array.from({ length: 20_000 }, (_, index) => index + 1),
    );
    assert.ok(lines.some((line) => line.endsWith(" stderr F over")));
    assert.ok(
      lines.some((line) => line.endsWith(" stdout F rest")),
      "a last line without an end",
    );
    const times = lines.map((line) => line.slice(0, 30));
    assert.deepEqual(times, times.toSorted(), "times rise");
    const directory = join(bench.config.stateDirectory, "node-a", "pods", ref.podUid, "containers", "main", "0");
    const sizes = logNumbers(directory).map((number) => statSync(logPath(directory, number)).size);
    assert.ok(sizes.length > 10, "it was rotated");
    assert.ok(
      sizes.every((size) => size < 65_536 + 100),
      `none is too large: ${sizes.join()}`,
    );
    await until(async () => (await bench.container(ref)).state === "exited", "the end");
  });
});
