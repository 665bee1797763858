import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GetLogEventsCommandInput, OutputLogEvent } from "@aws-sdk/client-cloudwatch-logs";
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  isErrorKind,
  silentLogger,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { type LogStream, taskLogs } from "./task-logs.ts";

const signal = new AbortController().signal;
const context: CallContext = { signal, log: silentLogger };
/** Does not wait. */
const clock: Clock = {
  now: () => 0,
  schedule(_delayMs, callback) {
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  },
};

/** A log stream as CloudWatch pages it: tokens are places between lines; now and then a page is empty although there is more. */
class ScriptedStream {
  readonly lines: OutputLogEvent[] = [];
  exists = true;
  calls = 0;

  write(...texts: readonly string[]): void {
    for (const message of texts) this.lines.push({ timestamp: 1000 * (this.lines.length + 1), message });
  }

  readonly getLogEvents = async ({
    startFromHead = false,
    nextToken,
    limit = 3,
    startTime = 0,
    endTime = Number.POSITIVE_INFINITY,
  }: GetLogEventsCommandInput) => {
    this.calls += 1;
    if (!this.exists) throw new VirtualKubeletError("NotFound", "no such stream");
    if (startTime >= endTime) throw new VirtualKubeletError("Invalid", "nothing is between these times");
    const [way = startFromHead ? "f" : "b", at] = nextToken?.split("/") ?? [];
    const count = Math.min(limit, 3);
    const first = this.lines.filter(({ timestamp = 0 }) => timestamp < startTime).length;
    const end = this.lines.filter(({ timestamp = 0 }) => timestamp < endTime).length;
    const stop = way === "f" ? Math.min(end, Number(at ?? first) + count) : Number(at ?? end);
    const start = way === "f" ? Math.min(end, Number(at ?? first)) : Math.max(first, stop - count);
    return { events: this.lines.slice(start, stop), nextForwardToken: `f/${stop}`, nextBackwardToken: `b/${start}` };
  };
}

async function read(
  stream: ScriptedStream,
  options: ContainerLogOptions,
  hasEnded = async () => true,
  part: Pick<LogStream, "from" | "to"> & { readonly endsAt?: () => number | undefined } = {},
): Promise<readonly string[]> {
  const { endsAt = () => undefined, ...range } = part;
  const asked = { group: "g", name: "n", following: { hasEnded, endsAt }, ...range };
  const logs = await taskLogs({ aws: stream, clock }, asked, options, context);
  assert.equal(logs.format, "timestamped");
  let text = "";
  for await (const chunk of logs.data) {
    text += new TextDecoder().decode(chunk);
  }
  return text === "" ? [] : text.trimEnd().split("\n");
}

function filled(count: number): ScriptedStream {
  const stream = new ScriptedStream();
  stream.write(...Array.from({ length: count }, (_, index) => `line ${index}`));
  return stream;
}

const texts = (lines: readonly string[]): readonly string[] => lines.map((line) => line.slice(25));

describe("a log in CloudWatch", () => {
  it("is read whole, with times", async () => {
    const lines = await read(filled(8), {});
    assert.equal(lines[0], "1970-01-01T00:00:01.000Z line 0");
    assert.deepEqual(
      texts(lines),
      Array.from({ length: 8 }, (_, index) => `line ${index}`),
    );
  });

  it("has its last lines, over pages, and of those the ones since a time", async () => {
    assert.deepEqual(texts(await read(filled(8), { tailLines: 5 })), [
      "line 3",
      "line 4",
      "line 5",
      "line 6",
      "line 7",
    ]);
    assert.deepEqual(texts(await read(filled(8), { tailLines: 20 })).length, 8);
    assert.deepEqual(await read(filled(8), { tailLines: 0 }), []);
    assert.deepEqual(texts(await read(filled(8), { tailLines: 5, sinceTime: "1970-01-01T00:00:07Z" })), [
      "line 6",
      "line 7",
    ]);
  });

  it("begins at a time", async () => {
    assert.deepEqual(texts(await read(filled(5), { sinceTime: "1970-01-01T00:00:04Z" })), ["line 3", "line 4"]);
  });

  it("is followed until its container has ended, with what comes late, nothing lost and nothing twice", async () => {
    const stream = filled(4);
    let looks = 0;
    const hasEnded = async (): Promise<boolean> => {
      looks += 1;
      stream.write(`late ${looks}`);
      return looks === 3;
    };
    assert.deepEqual(texts(await read(stream, { follow: true, tailLines: 1 }, hasEnded)), [
      "line 3",
      "late 1",
      "late 2",
      "late 3",
    ]);
  });

  it("that is not there yet is waited for by who follows, and told to others", async () => {
    const stream = new ScriptedStream();
    stream.exists = false;
    await assert.rejects(read(stream, {}), (error) => isErrorKind(error, "NotFound"));
    let looks = 0;
    const hasEnded = async (): Promise<boolean> => {
      looks += 1;
      if (looks === 1) {
        stream.exists = true;
        stream.write("first");
      }
      return looks > 1;
    };
    assert.deepEqual(texts(await read(stream, { follow: true }, hasEnded)), ["first"]);
  });

  it("has parts: from a time on, up to one, with last lines and those since a time of the part alone", async () => {
    const part = { from: 3000, to: 6000 };
    const whole = ["line 2", "line 3", "line 4", "line 5"];
    for (const options of [{}, { tailLines: 4 }, { tailLines: 20 }, { follow: true }])
      assert.deepEqual(texts(await read(filled(9), options, undefined, part)), whole, JSON.stringify(options));
    assert.deepEqual(texts(await read(filled(9), { tailLines: 2 }, undefined, part)), ["line 4", "line 5"]);
    for (const tailLines of [undefined, 3])
      assert.deepEqual(
        texts(await read(filled(9), { tailLines, sinceTime: "1970-01-01T00:00:05Z" }, undefined, part)),
        ["line 4", "line 5"],
      );
    for (const tailLines of [undefined, 3])
      assert.deepEqual(
        await read(filled(9), { tailLines, sinceTime: "1970-01-01T00:00:09Z" }, undefined, part),
        [],
        "later than all of it",
      );
    const early = { sinceTime: "1970-01-01T00:00:01Z" };
    assert.deepEqual(texts(await read(filled(9), early, undefined, part)), whole);
    assert.deepEqual(texts(await read(filled(4), {}, undefined, { from: 3000 })), ["line 2", "line 3"]);
  });

  it("that is followed ends where another run begins", async () => {
    const stream = filled(2);
    let looks = 0;
    const endsAt = (): number | undefined => {
      looks += 1;
      stream.write(`later ${looks}`);
      return looks > 2 ? 4000 : undefined;
    };
    const never = async (): Promise<boolean> => false;
    assert.deepEqual(texts(await read(stream, { follow: true }, never, { endsAt })), [
      ...["line 0", "line 1", "later 1", "later 2"],
    ]);
  });

  it("keeps lines of one event apart", async () => {
    const stream = new ScriptedStream();
    stream.write("one\ntwo\n");
    assert.deepEqual(texts(await read(stream, {})), ["one", "two"]);
  });
});
