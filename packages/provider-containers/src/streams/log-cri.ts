// Logs as an engine's API gives them, brought to the lines of a CRI runtime: time, stream, whole or part, text. Pure.
import type { OutputPiece } from "../engine/stdcopy.ts";

/** Kept of a line until its end is there; a longer one is passed on in parts. */
const longestKept = 64 * 1024;
/** Lines of a log whose time the engine does not tell. */
const unknownTime = "1970-01-01T00:00:00.000000000Z";
const newline = 10;

interface OpenLine {
  kept: Buffer;
  /** Of the part before, which began the line. */
  time: string | undefined;
}

/** Each stream's lines by themselves: pieces of the two come in turns, cut anywhere. */
export class CriLines {
  readonly #open: Readonly<Record<OutputPiece["stream"], OpenLine>> = {
    stdout: { kept: Buffer.alloc(0), time: undefined },
    stderr: { kept: Buffer.alloc(0), time: undefined },
  };

  feed({ stream, data }: OutputPiece): Uint8Array {
    const open = this.#open[stream];
    const out: Buffer[] = [];
    let bytes = open.kept.length === 0 ? Buffer.from(data) : Buffer.concat([open.kept, data]);
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline)) {
      out.push(line(open, stream, "F", bytes.subarray(0, at)));
      open.time = undefined;
      bytes = bytes.subarray(at + 1);
    }
    if (bytes.length > longestKept) {
      out.push(line(open, stream, "P", bytes));
      bytes = Buffer.alloc(0);
    }
    open.kept = Buffer.from(bytes);
    return Buffer.concat(out);
  }

  /** What has no end of its line. */
  end(): Uint8Array {
    return Buffer.concat(
      (["stdout", "stderr"] as const).flatMap((stream) => {
        const open = this.#open[stream];
        return open.kept.length === 0 ? [] : [line(open, stream, "P", open.kept)];
      }),
    );
  }
}

function line(open: OpenLine, stream: OutputPiece["stream"], tag: "F" | "P", bytes: Buffer): Buffer {
  let text = bytes;
  if (open.time === undefined) {
    const [, time] = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) /.exec(bytes.toString("latin1", 0, 48)) ?? [];
    open.time = time ?? unknownTime;
    if (time !== undefined) text = bytes.subarray(time.length + 1);
  }
  return Buffer.concat([Buffer.from(`${open.time} ${stream} ${tag} `), text, Buffer.from("\n")]);
}
