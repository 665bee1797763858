import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { FakeClock, settle } from "@virtual-kubelet/virtual-kubelet/testing";
import fc from "fast-check";
import type { AgentCommandIO } from "../testing/fake-ssm-agent.ts";
import { ssmBench } from "../testing/ssm-bench.ts";
import { encodeAgentMessage, messageTypes } from "./agent-message.ts";
import type { SsmSession } from "./ssm-session.ts";

/** Moves time on until it has settled. */
async function inTime<T>(clock: FakeClock, promise: Promise<T>, limitMs = 300_000): Promise<T> {
  let done = false;
  const end = clock.now() + limitMs;
  const settled = promise.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  while (!done) {
    assert.ok(clock.now() < end, `not settled after ${limitMs} ms`);
    await clock.advance(20);
  }
  return settled;
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(stream)).toString("latin1");
}

/** Gives back what it is given until it is told "end", then exits with 7. */
async function echo({ stdin, stdout }: AgentCommandIO): Promise<number> {
  let seen = "";
  for await (const chunk of stdin) {
    seen += Buffer.from(chunk).toString("latin1");
    if (!stdout.write(chunk)) await once(stdout, "drain");
    if (seen.endsWith("<end>")) break;
  }
  await new Promise<void>((resolve) => stdout.end(() => resolve()));
  return 7;
}

describe("a session", () => {
  it("shakes hands, passes input and output on, and ends with the command", async () => {
    const clock = new FakeClock();
    const { session: opening, agent } = ssmBench(clock, { run: echo, tellsExitCode: true, farewell: "bye" });
    const session = await inTime(clock, opening);
    assert.match(agent.book.clientVersion ?? "", /^1\.2\.\d+\.0$/);
    const output = textOf(session.output);
    await inTime(clock, session.write(Buffer.from("hello <end>")));
    assert.equal(await inTime(clock, output), "hello <end>");
    assert.deepEqual(await inTime(clock, session.ended), { exitCode: 7, message: "bye" });
    await assert.rejects(session.write(Buffer.from("more")), (error) => isErrorKind(error, "Unavailable"));
  });

  it("loses, doubles and reorders nothing over a wire that does all three", async () => {
    const wire = fc.record({
      ...{
        loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
        duplication: fc.double({ min: 0, max: 0.3, noNaN: true }),
      },
      ...{ delayMs: fc.nat(400), seed: fc.nat(), chunks: fc.array(fc.nat(3000), { maxLength: 12 }) },
    });
    await fc.assert(
      fc.asyncProperty(wire, async ({ seed, chunks, ...faults }) => {
        let state = seed;
        const random = (): number => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
          return state / 2 ** 32;
        };
        const clock = new FakeClock();
        const { session: opening } = ssmBench(clock, { run: echo, tellsExitCode: true, faults: { ...faults, random } });
        const session = await inTime(clock, opening);
        const texts = [...chunks.map((length, index) => `${index}`.repeat(length).slice(0, length)), "<end>"];
        const output = textOf(session.output);
        const written = Promise.all(texts.map((text) => session.write(Buffer.from(text))));
        assert.equal(await inTime(clock, output), texts.join(""));
        await inTime(clock, written);
        assert.equal((await inTime(clock, session.ended)).exitCode, 7);
      }),
      { numRuns: 25 },
    );
  });

  it("tells the agent the sizes of the terminal in order with the input", async () => {
    const clock = new FakeClock();
    const { session: opening, agent } = ssmBench(clock, { run: echo });
    const session = await inTime(clock, opening);
    await inTime(
      clock,
      Promise.all([session.resize({ width: 80, height: 24 }), session.resize({ width: 132, height: 43 })]),
    );
    await clock.advance(100);
    assert.deepEqual(agent.book.sizes, [
      { width: 80, height: 24 },
      { width: 132, height: 43 },
    ]);
    await inTime(clock, session.close());
  });

  it("keeps stderr apart where the agent does", async () => {
    const clock = new FakeClock();
    const run = async ({ stdout, stderr }: AgentCommandIO): Promise<number> => {
      stdout.write("out");
      stderr.write("err");
      await new Promise<void>((resolve) => stderr.end(() => resolve()));
      return 0;
    };
    const session = await inTime(clock, ssmBench(clock, { run }).session);
    assert.deepEqual(await inTime(clock, Promise.all([textOf(session.output), textOf(session.stderr)])), [
      "out",
      "err",
    ]);
    assert.deepEqual(await session.ended, { exitCode: undefined, message: "" });
  });

  it("has the agent end the command when it is closed", async () => {
    const clock = new FakeClock();
    const { session: opening, agent } = ssmBench(clock, { run: echo });
    const session = await inTime(clock, opening);
    await inTime(clock, session.close());
    assert.equal(agent.book.terminated, true);
    assert.equal(await textOf(session.output), "");
    await session.close();
  });

  it("reads no more than its reader can take", async () => {
    const clock = new FakeClock();
    let written = 0;
    const run = async ({ stdout, signal }: AgentCommandIO): Promise<number> => {
      for (; written < 4096 && !signal.aborted; written += 1)
        if (!stdout.write(Buffer.alloc(1024, written))) await once(stdout, "drain", { signal });
      await new Promise<void>((resolve) => stdout.end(() => resolve()));
      return 0;
    };
    const { session: opening, flow } = ssmBench(clock, { run });
    const session = await inTime(clock, opening);
    await clock.advance(10_000);
    assert.equal(flow.paused, true);
    assert.ok(written < 600, `${written} KiB were written for nobody`);
    let length = 0;
    const read = (async () => {
      for await (const chunk of session.output) length += chunk.length;
    })();
    await inTime(clock, read);
    assert.equal(length, 4096 * 1024);
  });

  it("sends nothing again while nobody listens, and all that is due when somebody does", async () => {
    const clock = new FakeClock();
    const { session: opening, inject } = ssmBench(clock, { run: echo });
    const session = await inTime(clock, opening);
    const steer = (messageType: string): void => {
      const rest = { schemaVersion: 1, createdDate: 1, sequenceNumber: 0, flags: 3, payloadType: 0 };
      const messageId = "00112233-4455-6677-8899-aabbccddeeff";
      inject(encodeAgentMessage({ ...rest, messageType, messageId, payload: new Uint8Array() }));
    };
    steer(messageTypes.pausePublication);
    let sent = false;
    const writing = session.write(Buffer.from("later <end>")).then(() => {
      sent = true;
    });
    await clock.advance(120_000);
    assert.equal(sent, false);
    steer(messageTypes.startPublication);
    await inTime(clock, writing);
    assert.equal(await inTime(clock, textOf(session.output)), "later <end>");
  });
});

describe("a session that fails", () => {
  const rejects = (promise: Promise<unknown>, kind: VirtualKubeletError["kind"], text: RegExp): Promise<void> =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof VirtualKubeletError);
      assert.equal(error.kind, kind);
      assert.match(error.message, text);
      return true;
    });

  it("is Unauthorized when the token is not taken, and does not tell it", async () => {
    const clock = new FakeClock();
    const { session } = ssmBench(clock, { run: echo, clientToken: "s3cret" });
    await rejects(inTime(clock, session), "Unauthorized", /^(?!.*s3cret)/);
  });

  it("is Unsupported when the session wants a key of KMS", async () => {
    const clock = new FakeClock();
    await rejects(
      inTime(clock, ssmBench(clock, { run: echo, wants: ["KMSEncryption"] }).session),
      "Unsupported",
      /KMS/,
    );
  });

  it("is Unavailable when the agent says nothing for half a minute", async () => {
    const clock = new FakeClock();
    const faults = { loss: 1, duplication: 0, delayMs: 0, random: () => 0 };
    await rejects(inTime(clock, ssmBench(clock, { run: echo, faults }).session), "Unavailable", /handshake.* 30 s/);
  });

  it("gives what it had read, then tells that the connection broke", async () => {
    const clock = new FakeClock();
    const { session: opening, cut } = ssmBench(clock, { run: echo });
    const session = await inTime(clock, opening);
    await inTime(clock, session.write(Buffer.from("half")));
    await clock.advance(1000);
    cut(new VirtualKubeletError("Unavailable", "cut off"));
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of session.output) chunks.push(Buffer.from(chunk).toString());
    })();
    await rejects(reading, "Unavailable", /cut off/);
    assert.deepEqual(chunks, ["half"]);
    await rejects(session.ended, "Unavailable", /cut off/);
  });

  it("is Unavailable when what is sent is acknowledged no more", async () => {
    const clock = new FakeClock();
    let deaf = false;
    const faults = { loss: 0.5, duplication: 0, delayMs: 0, random: () => (deaf ? 0 : 0.9) };
    const session: SsmSession = await inTime(clock, ssmBench(clock, { run: echo, faults }).session);
    deaf = true;
    await session.write(Buffer.from("into nothing"));
    await rejects(inTime(clock, session.ended), "Unavailable", /acknowledged nothing for 60 s/);
  });

  it("is Aborted by its signal, with whatever waits", async () => {
    const clock = new FakeClock();
    const { signal, abort } = ((controller) => ({ signal: controller.signal, abort: () => controller.abort() }))(
      new AbortController(),
    );
    const session = await inTime(clock, ssmBench(clock, { run: echo, signal }).session);
    const read = textOf(session.output);
    abort();
    await rejects(read, "Aborted", /ended/);
    await rejects(session.write(Buffer.from("x")), "Aborted", /ended/);
    await settle();
    assert.equal(clock.pending, 0);
  });
});
