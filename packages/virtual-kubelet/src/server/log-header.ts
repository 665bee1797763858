// What stands before the text of a log line: nothing, a time, or what a CRI runtime writes.
import type { ContainerLogs } from "../provider/streams.ts";
import { longestTime, TimeReader } from "./log-time.ts";

export type LogFormat = ContainerLogs["format"];

const newline = 0x0a;
const space = 0x20;

/** Longest header that is recognised, in bytes; what is longer is none. */
export const longestHeader = 160;

/** Reads headers one after the other; its fields are those of the last one. */
export class HeaderReader {
  readonly time: TimeReader = new TimeReader();
  readonly #cri: boolean;
  /** First byte of the text. */
  text = 0;
  stderr = false;
  /** The text's newline is not the container's: the line goes on in the next one. */
  partial = false;

  constructor(format: "timestamped" | "cri") {
    this.#cri = format === "cri";
  }

  /** The header of the line at `bytes[at..)`. "more": it may go on after `limit`, where the bytes end. */
  read(bytes: Uint8Array, at: number, limit: number): "yes" | "no" | "more" {
    const { time } = this;
    if (!time.read(bytes, at, limit)) return this.#unlessCut(bytes, at, limit, longestTime);
    const next = time.end;
    // A time alone is a line without text.
    if (next === limit) return "more";
    if (!this.#cri) {
      if (bytes[next] === space) this.text = next + 1;
      else if (bytes[next] === newline) this.text = next;
      else return "no";
      return "yes";
    }
    // " stdout F ": both names of a stream have six letters and differ in the fourth.
    if (limit - next < 9) return this.#unlessCut(bytes, next, limit, 9);
    if (bytes[next] !== space || bytes[next + 1] !== 0x73 || bytes[next + 2] !== 0x74 || bytes[next + 3] !== 0x64) {
      return "no";
    }
    const isOut = bytes[next + 4] === 0x6f && bytes[next + 5] === 0x75 && bytes[next + 6] === 0x74;
    const isErr = bytes[next + 4] === 0x65 && bytes[next + 5] === 0x72 && bytes[next + 6] === 0x72;
    if (!(isOut || isErr) || bytes[next + 7] !== space) return "no";
    // Tags, of which the first counts: F, or P, or P with more after a colon.
    let end = next + 8;
    for (const stop = Math.min(limit, at + longestHeader); end < stop; end++) {
      const byte = bytes[end];
      if (byte === space || byte === newline) break;
    }
    if (end === limit) return limit - at >= longestHeader ? "no" : "more";
    const terminator = bytes[end];
    if (terminator !== space && terminator !== newline) return "no";
    this.stderr = isErr;
    this.partial = bytes[next + 8] === 0x50 && (end === next + 9 || bytes[next + 9] === 0x3a);
    this.text = terminator === space ? end + 1 : end;
    return "yes";
  }

  /** What is no header as far as it goes may become one, unless its line ends or it is too long already. */
  #unlessCut(bytes: Uint8Array, at: number, limit: number, longest: number): "no" | "more" {
    if (limit - at >= longest) return "no";
    for (let i = at; i < limit; i++) if (bytes[i] === newline) return "no";
    return "more";
  }
}
