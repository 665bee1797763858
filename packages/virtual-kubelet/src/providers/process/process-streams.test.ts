// Terminals, attached clients and commands beside the main one. Needs root on Linux.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import type { TerminalSize } from "../../provider/streams.ts";
import { ProcessBench, quiet, until } from "../../testing/process-bench.ts";

describe("terminals, attach, ephemeral containers", () => {
  it("a command in a terminal has its size from the first, and its changes", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "sleep 1000");
    let more: (size: TerminalSize) => void = () => {};
    const later = new Promise<TerminalSize>((resolve) => {
      more = resolve;
    });
    async function* sizes(): AsyncGenerator<TerminalSize> {
      yield { width: 100, height: 40 };
      yield await later;
    }
    const stdout = new PassThrough();
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const stdin = new PassThrough();
    // Rows and columns are set one after the other: there are two signals.
    const trap = `size=$(stty size); [ "$size" = "33 77" ] && { echo $size; exit 3; }`;
    const command = ["sh", "-c", `stty size; tty; trap '${trap}' WINCH; echo set; while :; do sleep 0.05; done`];
    const ending = bench.runtime.exec(ref, command, { tty: true, stdin, stdout, resize: sizes() }, quiet);
    await until(() => text.includes("set"), "the trap");
    more({ width: 77, height: 33 });
    assert.deepEqual(await ending, { exitCode: 3 });
    assert.match(text, /^40 100\r\n\/dev\/pts\/\d+\r\nset\r\n33 77\r\n$/);
  });

  it("a container with a terminal has one; who attaches sees what comes, types, and may leave", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "echo $TERM; tty; while read line; do echo got $line; done", {
      tty: true,
      stdin: true,
    });
    await until(async () => (await bench.log(ref)).length > 1, "the first lines");
    assert.deepEqual(await bench.log(ref), ["stdout F xterm\r", "stdout F /dev/pts/0\r"]);
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const attached = bench.runtime.attach(ref, { tty: true, stdin, stdout }, quiet);
    stdin.write("hello\n");
    await until(() => text.includes("got hello"), "the answer");
    stdin.end();
    await attached;
    assert.equal((await bench.container(ref)).state, "running");
    assert.ok(!text.includes("xterm"), "what was before is not shown again");
  });

  it("an input that is for once ends with its client's, and the output goes on to the end", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "cat; echo end of input; exit 4", { stdin: true, stdinOnce: true });
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const attached = bench.runtime.attach(ref, { tty: false, stdin, stdout }, quiet);
    stdin.end("all of it\n");
    await attached;
    assert.equal(text, "all of it\nend of input\n");
    assert.equal((await bench.ended(ref)).exitCode, 4);
  });

  it("a client that has said its last word hears the answer, and the process goes on", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "echo up; while read -r line; do sleep 0.1; echo got $line; done", {
      stdin: true,
    });
    await until(async () => (await bench.log(ref)).length > 0, "the first line");
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    let text = "";
    stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const attached = bench.runtime.attach(ref, { tty: false, stdin, stdout }, quiet);
    stdin.end("one\ntwo\n");
    await attached;
    assert.equal(text, "got one\ngot two\n");
    assert.equal((await bench.container(ref)).state, "running");
  });

  it("an ephemeral container sees its target's processes, and ends with it", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod();
    const main = await bench.run(podUid, "exec sleep 4711");
    const debug = await bench.run(podUid, "tr '\\0' ' ' </proc/1/cmdline; echo; sleep 1000", {
      name: "debug",
      targetContainer: "main",
    });
    await until(async () => (await bench.log(debug)).length > 0, "its look");
    assert.deepEqual(await bench.log(debug), ["stdout F sleep 4711 "]);
    await bench.runtime.stopContainer(debug, { gracePeriodSeconds: 0 }, quiet);
    assert.equal((await bench.container(main)).state, "running");
    assert.equal((await bench.container(debug)).exitCode, 137);
  });

  it("stdout and stderr can be opened again by their names, by the container and by commands", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const ref = await bench.run(await bench.pod(), "echo one >/dev/stdout; echo two >/dev/stderr; sleep 1000");
    await until(async () => (await bench.log(ref)).length === 2, "both lines");
    assert.deepEqual(await bench.exec(ref, "sh", "-c", "echo three >/dev/stdout; cat /dev/null"), {
      out: "three\n",
      code: 0,
    });
  });
});
