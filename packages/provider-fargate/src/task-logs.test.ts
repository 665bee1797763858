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
import { taskLogs } from "./task-logs.ts";

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
  }: GetLogEventsCommandInput) => {
    this.calls += 1;
    if (!this.exists) throw new VirtualKubeletError("NotFound", "no such stream");
    const [way = startFromHead ? "f" : "b", at] = nextToken?.split("/") ?? [];
    const count = Math.min(limit, 3);
    const end = this.lines.length;
    const from =
      way === "f"
        ? at === undefined
          ? this.lines.findIndex(({ timestamp = 0 }) => timestamp >= startTime)
          : Number(at)
        : Math.max(0, (at === undefined ? end : Number(at)) - count);
    const start = from < 0 ? end : from;
    const stop = way === "f" ? Math.min(end, start + count) : at === undefined ? end : Number(at);
    return { events: this.lines.slice(start, stop), nextForwardToken: `f/${stop}`, nextBackwardToken: `b/${start}` };
  };
}

async function read(
  stream: ScriptedStream,
  options: ContainerLogOptions,
  hasEnded = async () => true,
  each = (_text: string) => {},
): Promise<readonly string[]> {
  const logs = await taskLogs({ aws: stream, clock }, { group: "g", name: "n", hasEnded }, options, context);
  assert.equal(logs.format, "timestamped");
  let text = "";
  for await (const chunk of logs.data) {
    text += new TextDecoder().decode(chunk);
    each(text);
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

  it("knows no earlier runs", async () => {
    await assert.rejects(read(filled(1), { previous: true }), (error) => isErrorKind(error, "NotFound"));
  });

  it("keeps lines of one event apart", async () => {
    const stream = new ScriptedStream();
    stream.write("one\ntwo\n");
    assert.deepEqual(texts(await read(stream, {})), ["one", "two"]);
  });
});
