import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderReader, longestHeader } from "./log-header.ts";

const time = "2026-01-01T12:00:00.5Z";

function read(format: "timestamped" | "cri", line: string): string {
  const header = new HeaderReader(format);
  const bytes = Buffer.from(line);
  const found = header.read(bytes, 0, bytes.length);
  if (found !== "yes") return found;
  const text = bytes.toString("utf8", header.text);
  return `${header.stderr ? "err" : "out"} ${header.partial ? "partial" : "full"} ${JSON.stringify(text)}`;
}

const cri: readonly (readonly [line: string, expected: string])[] = [
  [`${time} stdout F text\n`, 'out full "text\\n"'],
  [`${time} stderr F  two spaces\n`, 'err full " two spaces\\n"'],
  [`${time} stdout P part\n`, 'out partial "part\\n"'],
  [`${time} stdout P:more part\n`, 'out partial "part\\n"'],
  [`${time} stdout F:P text\n`, 'out full "text\\n"'],
  [`${time} stdout Pick text\n`, 'out full "text\\n"'],
  [`${time} stdout F \n`, 'out full "\\n"'],
  [`${time} stdout F\n`, 'out full "\\n"'],
  [`${time} stdxxx F text\n`, "no"],
  [`${time} stdoutF text\n`, "no"],
  [`${time} stdout\n`, "no"],
  [`${time}\n`, "no"],
  [`${time} text\n`, "no"],
  ["text\n", "no"],
  ["\n", "no"],
  [`${time} stdout ${"F".repeat(longestHeader)}`, "no"],
  [`${time} stdout F`, "more"],
  [`${time} std`, "more"],
  [time, "more"],
  ["2026", "more"],
  ["", "more"],
  ["x".repeat(60), "no"],
];

test("the header of a CRI line is its time, stream and first tag", () => {
  for (const [line, expected] of cri) assert.equal(read("cri", line), expected, line);
});

const timestamped: readonly (readonly [line: string, expected: string])[] = [
  [`${time} text\n`, 'out full "text\\n"'],
  [`${time} \n`, 'out full "\\n"'],
  [`${time}\n`, 'out full "\\n"'],
  [`${time}text\n`, "no"],
  ["text\n", "no"],
  [time, "more"],
];

test("the header of a line with a time is that time", () => {
  for (const [line, expected] of timestamped) assert.equal(read("timestamped", line), expected, line);
});
