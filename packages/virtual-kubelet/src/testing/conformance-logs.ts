// The part of the conformance suite about logs: what is answered is in the format that it says, and no reader is held.
import assert from "node:assert/strict";
import { silentLogger } from "../log.ts";
import type { ContainerLogOptions, ContainerLogs, ContainerTarget } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import {
  type Bench,
  type ConformanceOptions,
  expectAborted,
  isNotFound,
  optional,
  promptly,
} from "./conformance-bench.ts";

const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)`;
const lineOf: Readonly<Record<ContainerLogs["format"], RegExp>> = {
  plain: /^/,
  timestamped: new RegExp(`^${time} `),
  cri: new RegExp(`^${time} (stdout|stderr) [FP](:\\S+)? ?`),
};

/** Registers the tests; within a `describe`. */
export function logsConformance(bench: Bench, options: ConformanceOptions): void {
  const { loggingPod } = options;
  const has = options.lacks?.includes("getContainerLogs") !== true;
  const logs = async (
    target: ContainerTarget,
    wanted: ContainerLogOptions = {},
    context: CallContext = bench.context,
  ): Promise<ContainerLogs> =>
    (await bench.provider.getContainerLogs?.(target, wanted, context)) ?? assert.fail("no getContainerLogs");

  optional(
    has && "getContainerLogs has lines of the format that it says, and ends when it is not to follow",
    async () => {
      const target = await bench.runningTarget(loggingPod);
      const read = async (): Promise<readonly string[]> => {
        const { data, format } = await logs(target, { timestamps: true });
        const lines = (await promptly(textOf(data), "a log that is not followed", 120_000)).split("\n").slice(0, -1);
        for (const line of lines) assert.match(line, lineOf[format]);
        return lines;
      };
      if (loggingPod === undefined) await read();
      else await bench.until(async () => (await read()).length > 0, "a line of the log");
    },
  );

  optional(has && "getContainerLogs applies what it says it has applied", async () => {
    const target = await bench.runningTarget(loggingPod);
    const none = await logs(target, { tailLines: 0 });
    if (none.applied?.includes("tailLines") === true) assert.equal(await textOf(none.data), "");
    const future = await logs(target, { sinceTime: "2100-01-01T00:00:00Z" });
    if (future.applied?.includes("sinceTime") === true) assert.equal(await textOf(future.data), "");
    const stderr = await logs(target, { stream: "Stderr" });
    if (stderr.applied?.includes("stream") === true && stderr.format === "cri") {
      assert.doesNotMatch(await textOf(stderr.data), /^\S+ stdout /m);
    }
  });

  optional(has && "a reader may leave a followed log at any time", async () => {
    const target = await bench.runningTarget(loggingPod);
    for (const leave of ["return", "abort"] as const) {
      const stop = new AbortController();
      const { data } = await logs(target, { follow: true }, { signal: stop.signal, log: silentLogger });
      const reading = data[Symbol.asyncIterator]();
      if (loggingPod !== undefined) await promptly(reading.next(), "the first part of the log", 120_000);
      const next = Promise.resolve(reading.next());
      next.catch(() => {});
      if (leave === "abort") {
        stop.abort();
        // What was on its way may still come.
        const over = (async () => {
          for (let part = await next; part.done !== true; ) part = await reading.next();
        })();
        await promptly(over, "a followed log after its signal aborted").catch(expectAborted);
      } else await promptly(Promise.resolve(reading.return?.()), "a followed log after its reader left");
    }
  });

  optional(has && "a log that is read again begins as before, and in the same format", async () => {
    const target = await bench.runningTarget(loggingPod);
    const first = await logs(target);
    const before = await promptly(textOf(first.data), "a log that is not followed", 120_000);
    const second = await logs(target);
    assert.equal(second.format, first.format);
    const again = await promptly(textOf(second.data), "the log, read again", 120_000);
    assert.ok(again.startsWith(before), "a follower goes on by what it has had");
  });

  optional(has && "a run's log is found by the containerID that was reported of it", async () => {
    const target = await bench.runningTarget(loggingPod);
    const { containers } = await bench.running(target.owner);
    const containerID = containers.find(({ name }) => name === target.container)?.containerID;
    const before = await promptly(textOf((await logs(target)).data), "a log that is not followed", 120_000);
    const { data } = await logs(target, { containerID });
    assert.ok((await promptly(textOf(data), "the log of this run", 120_000)).startsWith(before));
  });

  optional(has && "a container that has run once has no previous log: NotFound", async () => {
    const target = await bench.runningTarget(loggingPod);
    await assert.rejects(logs(target, { previous: true }), isNotFound);
  });

  optional(has && "getContainerLogs of a pod that is not there is NotFound", async () => {
    const { owner, pod } = bench.request();
    const target = await bench.runningTarget(loggingPod);
    await assert.rejects(logs({ ...target, owner, pod }), isNotFound);
  });
}

async function textOf(data: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
