// An engine's containers through the client and the streams over it: what commands, clients and readers of logs see of a real
// podman service. Needs root on Linux.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { createServer, connect as dial } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { after, before, suite, test } from "node:test";
import { connectEngine } from "../packages/provider-containers/src/engine/connect.ts";
import type { ContainerDetails, EngineClient } from "../packages/provider-containers/src/engine/engine-client.ts";
import { attachToContainer } from "../packages/provider-containers/src/streams/attach.ts";
import { execInContainer } from "../packages/provider-containers/src/streams/exec.ts";
import { execByRuntime, isRunHere } from "../packages/provider-containers/src/streams/exec-by-runtime.ts";
import { readContainerLog } from "../packages/provider-containers/src/streams/logs.ts";
import { forwardPort } from "../packages/provider-containers/src/streams/port-forward.ts";
import { VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { TerminalSize } from "../packages/virtual-kubelet/src/provider/streams.ts";
import type { CallContext } from "../packages/virtual-kubelet/src/provider.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

suite("streams of an engine's containers", () => {
  const parts = new AsyncDisposableStack();
  let bench: PodmanBench;
  let client: EngineClient & Disposable;
  const context: CallContext = { signal: AbortSignal.timeout(1_100_000), log: silentLogger };
  const of =
    (kind: string, text = /./) =>
    (error: unknown): boolean =>
      error instanceof VirtualKubeletError && error.kind === kind && text.test(error.message);

  before(async () => {
    bench = parts.use(await PodmanBench.start());
    client = parts.use(connectEngine({ type: "unix", path: bench.socket }, { log: silentLogger }));
  });
  after(() => parts.disposeAsync());

  let made = 0;
  async function run(script: string, more: object = {}): Promise<ContainerDetails> {
    const id = await client.createContainer(
      `streams-${made++}`,
      { Image: benchImage, Entrypoint: ["/bin/sh", "-c", script], Labels: {}, HostConfig: {}, ...more },
      context,
    );
    await client.startContainer(id, context);
    return client.inspectContainer(id, context);
  }

  function collected(stream: PassThrough): () => string {
    let text = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    return () => text;
  }

  /** Commands are run by the engine, and by the OCI runtime itself: what is seen is the same. */
  let way: "engine" | "runtime" = "engine";
  const testBoth = (name: string, body: () => Promise<void>): void => {
    for (const each of ["engine", "runtime"] as const)
      void test(`${name} (by the ${each})`, async () => {
        way = each;
        await body().finally(() => {
          way = "engine";
        });
      });
  };

  interface Ran {
    readonly exitCode: number;
    readonly stdout: string;
    readonly stderr: string;
  }

  async function exec(
    { id }: ContainerDetails,
    command: readonly string[],
    io: { stdin?: string; tty?: boolean; sizes?: AsyncIterable<TerminalSize>; signal?: AbortSignal } = {},
  ): Promise<Ran> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const [out, err] = [collected(stdout), collected(stderr)];
    const stdin = io.stdin === undefined ? undefined : new PassThrough().end(io.stdin);
    const calledWith = { ...context, signal: io.signal ?? context.signal };
    const { exitCode } =
      way === "runtime" && io.tty !== true
        ? await execByRuntime(id, command, { stdin, stdout, stderr }, calledWith)
        : await execInContainer(
            client,
            id,
            command,
            { stdin, stdout, stderr: io.tty === true ? undefined : stderr, tty: io.tty === true, resize: io.sizes },
            calledWith,
          );
    for (const each of [stdout, stderr]) await once(each.end(), "end");
    return { exitCode, stdout: out(), stderr: err() };
  }

  testBoth("a command's output, errors and exit code, as the container's user", async () => {
    const container = await run("sleep 1000", { User: "1000:1000" });
    const script = "id -u; echo bad >&2; exit 3";
    assert.deepEqual(await exec(container, ["sh", "-c", script]), { exitCode: 3, stdout: "1000\n", stderr: "bad\n" });
    const codes = [0, 1, 126, 127, 128, 137, 255];
    for (const code of codes) assert.equal((await exec(container, ["sh", "-c", `exit ${code}`])).exitCode, code);
    // What looks like the engine's words but has another code is the command's own.
    const odd = await exec(container, ["sh", "-c", "echo 'Error: runc: exec failed: no' >&2; exit 1"]);
    assert.deepEqual(odd, { exitCode: 1, stdout: "", stderr: "Error: runc: exec failed: no\n" });
    await client.removeContainer(container.id, context);
    await assert.rejects(exec(container, ["true"]), of("NotFound"));
  });

  test("the runtime is asked for what runs on this machine", async () => {
    const container = await run("sleep 1000");
    assert.equal(isRunHere(container.id), true);
    assert.equal(isRunHere("0".repeat(64)), false);
    await client.removeContainer(container.id, context);
    assert.equal(isRunHere(container.id), false);
  });

  testBoth("a command that is not there is an error, not output", async () => {
    const container = await run("sleep 1000");
    await assert.rejects(
      exec(container, ["nosuch"]),
      of("Invalid", /exec: "nosuch": executable file not found in \$PATH/),
    );
    await assert.rejects(exec(container, ["nosuch"], { tty: true }), of("Invalid", /executable file not found/));
    await assert.rejects(exec(container, ["/etc/passwd"]), of("Invalid", /permission denied/));
    await client.removeContainer(container.id, context);
  });

  testBoth("input of megabytes is read to its end, output of megabytes written whole", async () => {
    const container = await run("sleep 1000");
    const text = "0123456789abcdef".repeat(200_000);
    assert.deepEqual(await exec(container, ["wc", "-c"], { stdin: text }), {
      ...{ exitCode: 0, stdout: `${text.length}\n`, stderr: "" },
    });
    assert.ok((await exec(container, ["cat"], { stdin: text })).stdout === text);
    await client.removeContainer(container.id, context);
  });

  test("a terminal has the client's size from the start, and the next", async () => {
    const container = await run("sleep 1000");
    const later = Promise.withResolvers<void>();
    async function* sizes(): AsyncGenerator<TerminalSize> {
      yield { width: 101, height: 31 };
      await later.promise;
      yield { width: 102, height: 32 };
    }
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const out = collected(stdout);
    const ended = execInContainer(
      client,
      container.id,
      ["sh", "-c", "stty size; trap 'stty size; exit 5' WINCH; echo armed; while :; do sleep 0.1; done"],
      { stdin, stdout, tty: true, resize: sizes() },
      context,
    );
    await eventually("the first size is there", 10_000, async () => out().includes("armed"));
    later.resolve();
    assert.deepEqual(await ended, { exitCode: 5 });
    assert.equal(out().replaceAll("\r", ""), "31 101\narmed\n32 102\n");
    await client.removeContainer(container.id, context);
  });

  testBoth("a command whose client has gone is killed", async () => {
    const container = await run("sleep 1000");
    const gone = new AbortController();
    const ended = exec(container, ["sh", "-c", "sleep 4711 & wait"], { signal: gone.signal });
    const shows = async (): Promise<boolean> => (await exec(container, ["ps"])).stdout.includes("sleep 4711");
    await eventually("it runs", 10_000, shows);
    gone.abort();
    await assert.rejects(ended);
    await eventually("it is gone", 10_000, async () => !(await shows()));
    await client.removeContainer(container.id, context);
  });

  testBoth("probes and users run commands in a container until its end, though it is being stopped", async () => {
    const container = await run("trap '' TERM; while :; do sleep 0.1; done");
    const stopped = client.stopContainer(container.id, 30, context);
    await eventually("TERM was sent", 5000, async () => (await exec(container, ["true"])).exitCode === 0);
    assert.equal((await exec(container, ["echo", "still"])).stdout, "still\n");
    // Less grace counts for both.
    await client.stopContainer(container.id, 1, context);
    await stopped;
    assert.equal((await client.inspectContainer(container.id, context)).exitCode, 137);
    await client.removeContainer(container.id, context);
  });

  test("a client's input ends that of the process only when it was for once", async () => {
    const script = "while read line; do echo got $line; done; echo ended; sleep 0.5";
    const attached = async (container: ContainerDetails, stdinOnce: boolean, text: string): Promise<string> => {
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const out = collected(stdout);
      const done = attachToContainer(client, { ...container, stdinOnce }, { stdin, stdout, tty: false }, context);
      stdin.write(text);
      await eventually("it answers", 10_000, async () => out().includes("got"));
      stdin.end();
      await done;
      return out();
    };
    const kept = await run(script, { OpenStdin: true });
    for (const word of ["one", "two", "three"]) assert.equal(await attached(kept, false, `${word}\n`), `got ${word}\n`);
    assert.equal((await client.inspectContainer(kept.id, context)).running, true);
    const once = await run(script, { OpenStdin: true, StdinOnce: true });
    assert.equal(await attached(once, true, "one\n"), "got one\nended\n");
    for (const { id } of [kept, once]) await client.removeContainer(id, context);
  });

  test("clients of a terminal come and go", async () => {
    const container = await run("while read line; do echo got $line; done; echo ended; sleep 5", {
      OpenStdin: true,
      Tty: true,
    });
    for (const word of ["one", "two"]) {
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const out = collected(stdout);
      const done = attachToContainer(client, container, { stdin, stdout, tty: true }, context);
      stdin.write(`${word}\n`);
      await eventually("it answers", 10_000, async () => out().includes(`got ${word}`));
      stdin.end();
      await done;
      assert.ok(!out().includes("ended"));
    }
    assert.equal((await client.inspectContainer(container.id, context)).running, true);
    await client.removeContainer(container.id, context);
  });

  async function logText(container: ContainerDetails, follow: boolean): Promise<string> {
    let text = "";
    const { data, format } = await readContainerLog(client, container, { follow }, context);
    assert.equal(format, "cri");
    for await (const chunk of data) text += Buffer.from(chunk).toString();
    return text;
  }

  test("a log has nanoseconds, both streams and parts of lines; followed, it ends with the container", async () => {
    const container = await run("echo out; sleep 1; echo err >&2; sleep 1; printf part; sleep 1; echo end; echo last");
    const followed = await logText(container, true);
    const lines = followed.trimEnd().split("\n");
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ (stdout|stderr) [FP] /);
    assert.deepEqual(
      lines.map((line) => line.slice(line.indexOf(" ") + 1)),
      ["stdout F out", "stderr F err", "stdout P part", "stdout F end", "stdout F last"],
    );
    assert.equal(await logText(container, false), followed);
    await client.removeContainer(container.id, context);
  });

  test("a follower loses nothing of a log that is replaced when it is full", async () => {
    // What is replaced twice between two looks nobody can see whole: it goes on when the follower has come so far.
    const script =
      "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); [ $((i % 50)) = 0 ] && read -r -t 120 seen; done";
    const container = await run(script, {
      ...{ OpenStdin: true, HostConfig: { LogConfig: { Type: "k8s-file", Config: { "max-size": "4096" } } } },
    });
    const stdin = new PassThrough();
    const attached = attachToContainer(client, container, { stdin, stdout: undefined, tty: false }, context);
    const { data } = await readContainerLog(client, container, { follow: true }, context);
    let text = "";
    let seen: readonly number[] = [];
    for await (const chunk of data) {
      text += Buffer.from(chunk).toString();
      const before = seen.length;
      seen = text
        .split("\n")
        .slice(0, -1)
        .map((line) => Number(line.split(" ").at(-1)));
      for (let count = Math.floor(before / 50); count < Math.floor(seen.length / 50); count += 1) stdin.write("go\n");
    }
    await attached;
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, index) => index),
    );
    const kept = await logText(container, false);
    assert.ok(kept.length < 5000 && kept.endsWith("line 299\n"));
    await client.removeContainer(container.id, context);
  });

  test("a reader that has had enough is let go at once; so is a follower of a silent container", async () => {
    const container = await run("echo first; sleep 1000");
    const { data } = await readContainerLog(client, container, { follow: true }, context);
    const reader = data[Symbol.asyncIterator]();
    assert.ok((await reader.next()).done !== true);
    const waiting = reader.next();
    await reader.return?.();
    assert.equal((await waiting).done, true);
    await client.removeContainer(container.id, context);
  });

  test("the API's log has the same lines", async () => {
    const container = await run("echo out; echo err >&2");
    await client.stopContainer(container.id, 0, context);
    const text = await logText({ ...container, logPath: "" }, true);
    assert.deepEqual(
      text
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(line.indexOf(" ") + 1))
        .toSorted(),
      ["stderr F err", "stdout F out"],
    );
    assert.match(text, /^\d{4}-/);
    await client.removeContainer(container.id, context);
  });

  test("a port of localhost inside the pod is reached, both ways and half closed", async () => {
    const container = await run(
      "httpd -p 127.0.0.1:8081 -h /etc; nc -ll -p 8080 -e sh -c 'cat; echo over' & while :; do sleep 0.1; done",
    );
    const listening = async (): Promise<boolean> =>
      (await exec(container, ["netstat", "-ltn"])).stdout.includes(":8080");
    await eventually("it listens", 10_000, listening);
    const forward = async (port: number, text: string): Promise<string> => {
      // A pair of sockets stands for the client's stream.
      const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const ours = dial({ host: "127.0.0.1", port: address.port, allowHalfOpen: true });
      const [theirs]: unknown[] = await once(server, "connection");
      server.close();
      assert.ok(theirs instanceof Duplex);
      const done = forwardPort(container.pid, port, theirs, context);
      let answer = "";
      ours.on("data", (chunk: Buffer) => {
        answer += chunk.toString();
      });
      ours.end(text);
      try {
        await done;
        if (!ours.readableEnded) await once(ours, "end");
        return answer;
      } finally {
        ours.destroy();
        theirs.destroy();
      }
    };
    const text = "x".repeat(500_000);
    assert.ok((await forward(8080, text)) === `${text}over\n`);
    // Of a server that no other address of the pod reaches.
    assert.match(await forward(8081, "GET /passwd HTTP/1.0\r\n\r\n"), /200 OK.*root:/s);
    await assert.rejects(forward(9, ""), of("Unavailable", /port 9/));
    assert.notEqual(readlinkSync(`/proc/${container.pid}/ns/net`), readlinkSync("/proc/self/ns/net"));
    await client.removeContainer(container.id, context);
    await assert.rejects(forward(8080, ""), of("NotFound"));
  });

  test("an image that is not there, a command that cannot begin, a name that is taken", async () => {
    const body = { Image: benchImage, Entrypoint: ["nosuch"], Labels: { streams: "faults" }, HostConfig: {} };
    await assert.rejects(
      client.createContainer("none", { ...body, Image: "localhost/none:1" }, context),
      of("NotFound"),
    );
    const id = await client.createContainer("faulty", body, context);
    await assert.rejects(client.createContainer("faulty", body, context), of("Conflict"));
    await assert.rejects(client.startContainer(id, context), (error: unknown) => {
      assert.ok(error instanceof VirtualKubeletError);
      assert.equal(error.reason, "StartError");
      return of("Invalid", /OCI runtime create failed: .*exec: "nosuch": executable file not found/)(error);
    });
    assert.deepEqual(await client.listContainers(["streams=faults"], context), [
      { id, labels: body.Labels, state: "created" },
    ]);
    for (let twice = 0; twice < 2; twice += 1) await client.removeContainer(id, context);
    await assert.rejects(client.inspectContainer(id, context), of("NotFound"));
    for (const call of ["stopContainer", "killContainer"] as const)
      await (call === "stopContainer"
        ? client.stopContainer(id, 1, context)
        : client.killContainer(id, "KILL", context));
    await assert.rejects(client.pullImage("UPPER/case", undefined, context), of("Invalid"));
    await assert.rejects(client.pullImage("127.0.0.1:1/none:1", undefined, context), of("Unavailable", /refused/));
  });

  test("events come in Docker's words", async () => {
    const over = new AbortController();
    const told: { readonly id: string; readonly action: string }[] = [];
    const watched = (async () => {
      for await (const event of client.events(["streams=events"], { signal: over.signal })) told.push(event);
    })();
    watched.catch(() => {});
    // Nothing says when the engine has begun to tell.
    await eventually("the engine tells", 60_000, async () => {
      const body = { Image: benchImage, Entrypoint: ["/bin/true"], Labels: { streams: "events" }, HostConfig: {} };
      await client.removeContainer(await client.createContainer("first", body, context), context);
      return told.length > 0;
    });
    const { id } = await run("exit 7", { Labels: { streams: "events" } });
    const actions = (): readonly string[] => told.flatMap((each) => (each.id === id ? [each.action] : []));
    await eventually("its end is told", 60_000, () => actions().includes("die"));
    await client.removeContainer(id, context);
    await eventually("its removal is told", 60_000, () => actions().includes("destroy"));
    over.abort();
    await assert.rejects(watched);
    assert.deepEqual(
      actions().filter((action) => ["create", "start", "die", "destroy"].includes(action)),
      ["create", "start", "die", "destroy"],
    );
  });

  test("with the engine gone every call says so, and its streams end", async () => {
    const container = await run("sleep 1000");
    const running = exec(container, ["sleep", "1000"]);
    const events = client.events(["streams=none"], context)[Symbol.asyncIterator]().next();
    for (const each of [running, events]) each.catch(() => {});
    await eventually("it runs", 10_000, async () => (await exec(container, ["ps"])).stdout.split("sleep").length > 2);
    await bench.stop();
    await assert.rejects(running, of("Unavailable"));
    await assert.rejects(events, of("Unavailable"));
    await assert.rejects(client.ping(context), of("Unavailable", /unix:.*cannot be reached/));
    await bench.resume();
    assert.equal((await client.inspectContainer(container.id, context)).running, true);
    await client.removeContainer(container.id, context);
  });
});
