// Very many lines that differ in their number and in the end of their time alone, made fast: a block is copied and its digits are written over.
import type { LogFormat } from "./log-settings.ts";
import { bulkLineOf, formatTime, type RunLog } from "./run-log.ts";

const linesOfBlock = 400;

/** The lines from `from` on, below `end`, which all belong to what a run wrote at once; each a whole one. */
export function* bulkLines(log: RunLog, format: LogFormat, from: number, end: number): Generator<Uint8Array> {
  const time = formatTime(log.bulkTime(from));
  const prefix = format === "plain" ? "" : format === "timestamped" ? `${time} ` : `${time} stdout F `;
  const line = Buffer.from(`${prefix}${bulkLineOf(0)}\n`);
  const template = Buffer.concat(Array.from({ length: linesOfBlock }, () => line));
  // All lie within one millisecond: six digits before the Z change.
  const digitsOfTime = time.length - 1 - 6;
  for (let at = from; at < end; at += linesOfBlock) {
    const count = Math.min(linesOfBlock, end - at);
    const block = Buffer.from(template.subarray(0, count * line.length));
    for (let index = 0; index < count; index++) {
      const start = index * line.length;
      if (prefix !== "") writeDigits(block, start + digitsOfTime, 6, log.bulkTime(at + index).ns);
      writeDigits(block, start + prefix.length, 10, at + index);
    }
    yield block;
  }
}

function writeDigits(block: Uint8Array, at: number, width: number, value: number): void {
  let rest = value;
  for (let index = at + width - 1; index >= at; index--) {
    block[index] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
