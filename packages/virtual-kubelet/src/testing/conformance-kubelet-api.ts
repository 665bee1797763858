// The part of the conformance suite about what lies behind the kubelet API: commands, attach, port-forward and figures. One test,
// or more, for each method that the subject has.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { duplexPair, PassThrough, type Readable } from "node:stream";
import { silentLogger } from "../log.ts";
import type { ContainerIO, ContainerTarget, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import {
  type Bench,
  type ConformanceOptions,
  expectAborted,
  isNotFound,
  type OptionalMethod,
  optional,
  promptly,
} from "./conformance-bench.ts";
import { statsFaults } from "./stats-faults.ts";

/** Registers the tests; within a `describe`. */
export function kubeletApiConformance(bench: Bench, options: ConformanceOptions): void {
  const has = (method: OptionalMethod): boolean => options.lacks?.includes(method) !== true;
  const { echoPod, interactivePod } = options;

  const runs = (what: string): string | false => has("runInContainer") && `runInContainer ${what}`;

  optional(runs("tells how the command ended"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    for (const exitCode of [0, 3, 255]) {
      assert.deepEqual((await run(bench, target, ["sh", "-c", `exit ${exitCode}`])).result, { exitCode });
    }
  });

  optional(runs("keeps stdout and stderr apart, and passes arguments as they are"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const { out, err } = await run(bench, target, ["sh", "-c", 'echo "out $1"; echo err >&2', "sh", "a  'b'"]);
    assert.deepEqual([out.toString("utf8"), err.toString("utf8")], ["out a  'b'\n", "err\n"]);
  });

  optional(runs("carries every byte in and out, to the last before the end"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const sent = randomBytes(3 * 1024 ** 2);
    const { out, result } = await run(bench, target, ["cat"], sent);
    assert.deepEqual([out.length, digest(out), result], [sent.length, digest(sent), { exitCode: 0 }]);
  });

  optional(runs("without stdin has an empty one, and needs no reader of its output"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const io: ContainerIO = { tty: false };
    const { provider } = bench;
    assert.deepEqual(await provider.runInContainer?.(target, ["sh", "-c", "cat; echo lost"], io, bench.context), {
      exitCode: 0,
    });
  });

  optional(options.terminals !== false && runs("has a terminal when asked for one"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const { out } = await run(bench, target, ["sh", "-c", "echo out; echo err >&2"], undefined, true);
    assert.equal(out.toString("utf8"), "out\r\nerr\r\n");
  });

  optional(runs("ends the command when its call is aborted"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const stop = new AbortController();
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const context: CallContext = { signal: stop.signal, log: silentLogger };
    const running = Promise.resolve(
      bench.provider.runInContainer?.(
        target,
        ["sh", "-c", "echo begun; sleep 3600"],
        { tty: false, stdin, stdout },
        context,
      ),
    );
    running.catch(() => {});
    await promptly(firstOf(stdout), "the command's first output", 120_000);
    stop.abort();
    await promptly(running, "runInContainer after its signal aborted").catch(expectAborted);
  });

  optional(runs("of a container that is not there is NotFound"), async () => {
    const target = await bench.runningTarget(options.shellPod);
    const { owner, pod } = bench.request();
    for (const wrong of [
      { ...target, container: "no-such-container" },
      { ...target, owner, pod },
    ]) {
      await assert.rejects(run(bench, wrong, ["true"]), isNotFound);
    }
  });

  optional(has("attachToContainer") && "attachToContainer ends with its call, and needs a container", async () => {
    const target = await bench.runningTarget(options.shellPod);
    const stop = new AbortController();
    const stdout = new PassThrough();
    stdout.resume();
    const context: CallContext = { signal: stop.signal, log: silentLogger };
    const attached = Promise.resolve(bench.provider.attachToContainer?.(target, { tty: false, stdout }, context));
    attached.catch(() => {});
    stop.abort();
    await promptly(attached, "attachToContainer after its signal aborted").catch(expectAborted);
    const wrong = { ...target, container: "no-such-container" };
    await assert.rejects(async () => {
      await bench.provider.attachToContainer?.(wrong, { tty: false, stdout: new PassThrough() }, bench.context);
    }, isNotFound);
  });

  optional(
    has("attachToContainer") && interactivePod !== undefined && "attachToContainer reaches the container's own process",
    async () => {
      const target = await bench.runningTarget(interactivePod);
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const attached = Promise.resolve(
        bench.provider.attachToContainer?.(target, { tty: false, stdin, stdout }, bench.context),
      );
      attached.catch(() => {});
      stdin.write("to and fro\n");
      const seen = (async () => {
        let text = "";
        for await (const chunk of stdout) {
          text += String(chunk);
          if (text.includes("to and fro\n")) return;
        }
      })();
      await promptly(seen, "what was typed", 120_000);
      stdin.end();
      await promptly(attached, "attachToContainer after its stdin ended");
    },
  );

  optional(has("portForward") && "portForward to a port where nobody listens throws", async () => {
    const target = await bench.runningTarget(options.shellPod);
    const [, theirs] = duplexPair();
    await assert.rejects(async () => {
      const carried = bench.provider.portForward?.(target, 9, theirs, bench.context);
      await promptly(Promise.resolve(carried), "portForward to a closed port", 120_000);
    });
  });

  optional(
    has("portForward") && echoPod !== undefined && "portForward carries every byte both ways, and half-closes",
    async () => {
      assert.ok(echoPod !== undefined);
      const target = await echoing(bench, echoPod);
      const carry = async (bytes: Buffer): Promise<void> => {
        const [ours, theirs] = duplexPair();
        const carried = Promise.resolve(bench.provider.portForward?.(target, echoPod.port, theirs, bench.context));
        ours.end(bytes);
        const back = await bytesOf(ours);
        assert.deepEqual([back.length, digest(back)], [bytes.length, digest(bytes)]);
        await promptly(carried, "portForward after both sides ended");
      };
      await Promise.all([carry(randomBytes(2 * 1024 ** 2)), carry(randomBytes(10)), carry(randomBytes(100_000))]);
    },
  );

  optional(has("portForward") && echoPod !== undefined && "portForward ends when its call is aborted", async () => {
    assert.ok(echoPod !== undefined);
    const target = await echoing(bench, echoPod);
    const stop = new AbortController();
    const [ours, theirs] = duplexPair();
    const context: CallContext = { signal: stop.signal, log: silentLogger };
    const carried = Promise.resolve(bench.provider.portForward?.(target, echoPod.port, theirs, context));
    carried.catch(() => {});
    ours.write("x");
    await promptly(firstOf(ours), "the echo", 120_000);
    stop.abort();
    await promptly(carried, "portForward after its signal aborted").catch(expectAborted);
  });

  optional(has("getStatsSummary") && "getStatsSummary has what runs, and its counters only rise", async () => {
    const target = await bench.runningTarget();
    const summary = async () => (await bench.provider.getStatsSummary?.(bench.context)) ?? assert.fail("no summary");
    let last = await summary();
    const isThere = (): boolean =>
      last.pods.some(
        ({ podRef, containers }) =>
          podRef.uid === target.owner.uid && containers.some(({ name }) => name === target.container),
      );
    await bench.until(async () => {
      const next = await summary();
      assert.deepEqual(statsFaults(next, bench.node, last), []);
      last = next;
      return isThere();
    }, "the pod's figures");
    const again = await summary();
    assert.deepEqual(statsFaults(again, bench.node, last), []);
    await bench.deleted(target.owner, 0);
    await bench.until(async () => {
      last = await summary();
      return !isThere();
    }, "the end of the pod's figures");
  });
}

/** A pod whose server has begun to listen, which may be some time after it runs. */
async function echoing(bench: Bench, echoPod: NonNullable<ConformanceOptions["echoPod"]>): Promise<ContainerTarget> {
  const target = await bench.runningTarget(echoPod);
  await bench.until(async () => {
    const [ours, theirs] = duplexPair();
    ours.on("error", () => {});
    ours.end("x");
    ours.resume();
    return Promise.resolve(bench.provider.portForward?.(target, echoPod.port, theirs, bench.context)).then(
      () => true,
      () => false,
    );
  }, "the server of the echo pod");
  return target;
}

async function run(
  bench: Bench,
  target: ContainerTarget,
  command: readonly string[],
  stdin?: Buffer,
  tty = false,
): Promise<{ readonly out: Buffer; readonly err: Buffer; readonly result: ExecResult | undefined }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: ContainerIO = {
    tty,
    stdout,
    ...(tty ? {} : { stderr }),
    ...(stdin === undefined ? {} : { stdin: new PassThrough().end(stdin) }),
  };
  const [out, err] = [bytesOf(stdout), bytesOf(stderr)];
  try {
    const result = await bench.provider.runInContainer?.(target, command, io, bench.context);
    stdout.end();
    stderr.end();
    return { out: await out, err: await err, result };
  } finally {
    stdout.end();
    stderr.end();
  }
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function firstOf(stream: Readable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once("data", () => resolve());
  await promise;
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
