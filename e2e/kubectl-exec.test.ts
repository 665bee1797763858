// exec, attach, cp and debug by the real kubectls, over WebSocket and over SPDY, through the real API server, into mock pods.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { type Client, Kubectl, kubectlClients, runKubectl, startKubectl } from "./kubectl.ts";

let harness: Harness;
const clients = await kubectlClients();
let openStreams: () => Promise<number>;

before(async () => {
  harness = await startHarness();
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock", "--metrics-addr", "127.0.0.1:0"]);
  await harness.nodeIsReady("vk", kubelet);
  const [address = ""] = /127\.0\.0\.1:\d+/.exec(await kubelet.logTail(65_536)) ?? [];
  openStreams = async () => {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    return [...text.matchAll(/^virtual_kubelet_kubelet_streams\{.*\} (\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  await harness.client.create(
    pods,
    podObject("shell", { container: { env: [{ name: "GREETING", value: "hello there" }] } }),
  );
  await harness.client.create(pods, podObject("cat", { container: { command: ["cat"], stdin: true } }));
  await harness.client.create(
    pods,
    podObject("two", {
      spec: {
        containers: [
          { name: "first", image: "example.com/app:1" },
          { name: "second", image: "example.com/app:1" },
        ],
      },
    }),
  );
  for (const name of ["shell", "cat", "two"]) await harness.untilPod("runs", name, 20_000, isRunning);
});
after(() => harness?.[Symbol.asyncDispose]());

const run = (client: Client, args: readonly string[], input: string | Uint8Array = "") =>
  runKubectl(harness, client, args, input);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const client of clients)
  describe(client.name, { timeout: 900_000 }, () => {
    it("runs a command: output and errors apart, environment of the pod, exit codes", async () => {
      const hello = await run(client, ["exec", "shell", "--", "sh", "-c", 'echo "$GREETING"; echo oops >&2']);
      assert.deepEqual([hello.stdout.toString(), hello.stderr, hello.code], ["hello there\n", "oops\n", 0]);
      for (const code of [1, 3, 127, 255]) {
        const ended = await run(client, ["exec", "shell", "--", "sh", "-c", `echo before; exit ${code}`]);
        assert.deepEqual([ended.stdout.toString(), ended.code], ["before\n", code]);
        assert.match(ended.stderr, new RegExp(`exit code ${code}`));
      }
    });

    it("says what cannot be run and where there is nothing to run it in", async () => {
      const unknown = await run(client, ["exec", "shell", "--", "no-such-program"]);
      assert.notEqual(unknown.code, 0);
      assert.match(unknown.stderr, /no-such-program/);
      const container = await run(client, ["exec", "shell", "-c", "nobody", "--", "true"]);
      assert.equal(container.code, 1);
      assert.match(container.stderr, /container.*nobody/i);
      const second = await run(client, ["exec", "two", "-c", "second", "--", "hostname"]);
      assert.deepEqual([second.stdout.toString(), second.code], ["two\n", 0]);
    });

    it("passes standard input on, and its end", async () => {
      const text = "line one\nline two without end";
      const piped = await run(client, ["exec", "-i", "shell", "--", "cat"], text);
      assert.deepEqual([piped.stdout.toString(), piped.code], [text, 0]);
      const empty = await run(client, ["exec", "-i", "shell", "--", "wc", "-c"]);
      assert.equal(empty.stdout.toString().trim(), "0");
      // Without -i there is none, and nobody waits for it.
      const none = await run(client, ["exec", "shell", "--", "cat"]);
      assert.deepEqual([none.stdout.toString(), none.code], ["", 0]);
    });

    it("carries 100 MB in and out again unchanged", async () => {
      const bytes = randomBytes(100_000_000);
      const echoed = await run(client, ["exec", "-i", "shell", "--", "cat"], bytes);
      assert.equal(echoed.code, 0, echoed.stderr);
      assert.equal(echoed.stdout.length, bytes.length);
      assert.equal(sha256(echoed.stdout), sha256(bytes));
      const summed = await run(client, ["exec", "-i", "shell", "--", "sha256sum"], bytes);
      assert.match(summed.stdout.toString(), new RegExp(`^${sha256(bytes)} `));
    });

    it("ends a command whose client is gone", async () => {
      await using sleeping = startKubectl(harness, client, "exec", "shell", "--", "sh", "-c", "echo up; sleep 1000");
      await sleeping.says("up");
      await eventually("the stream is on the node", 10_000, async () => (await openStreams()) === 1);
      sleeping.child.kill("SIGKILL");
      await eventually("the stream is gone from the node", 10_000, async () => (await openStreams()) === 0);
    });

    it("attaches: output from now on, input to the process", async () => {
      await using attached = startKubectl(harness, client, "attach", "-i", "cat");
      attached.write("first\n");
      await attached.says("first");
      attached.write("second\n");
      await attached.says("second");
      // Who closes an input that stays open for others has left; the process goes on.
      const left = await attached.end("third");
      assert.deepEqual([left.code, left.stdout.toString()], [0, "first\nsecond\nthird"]);
      const { status } = await harness.client.get(pods, { name: "cat", namespace: "default" });
      const [container] = status?.containerStatuses ?? [];
      assert.ok(container?.state?.running);
      assert.equal(container.restartCount, 0);
      await eventually("the stream is gone from the node", 10_000, async () => (await openStreams()) === 0);
    });

    it("attaches with an input for once, whose end is the process's", async () => {
      const name = `once-${clients.indexOf(client)}`;
      const container = { command: ["cat"], stdin: true, stdinOnce: true };
      await harness.client.create(pods, podObject(name, { container, spec: { restartPolicy: "Never" } }));
      await harness.untilPod("runs", name, 20_000, isRunning);
      const ended = await run(client, ["attach", "-i", name], "all of it");
      assert.deepEqual([ended.code, ended.stdout.toString()], [0, "all of it"]);
      await harness.untilPod("has ended", name, 20_000, ({ status }) => status?.phase === "Succeeded");
    });

    it("ends an attachment whose client is gone, and nothing else", async () => {
      await using attached = startKubectl(harness, client, "attach", "-i", "cat");
      attached.write("here\n");
      await attached.says("here");
      await eventually("the stream is on the node", 10_000, async () => (await openStreams()) === 1);
      attached.child.kill("SIGKILL");
      await eventually("the stream is gone from the node", 10_000, async () => (await openStreams()) === 0);
      await using again = startKubectl(harness, client, "attach", "-i", "cat");
      again.write("still\n");
      await again.says("still");
    });

    it("copies files and folders in and out", async () => {
      const folder = join(harness.cluster.directory, `cp-${clients.indexOf(client)}`);
      await mkdir(join(folder, "in/deep"), { recursive: true });
      const big = randomBytes(3_000_000);
      await writeFile(join(folder, "in/big"), big);
      await writeFile(join(folder, "in/deep/small"), "small\n");
      const there = `/tmp/from-${clients.indexOf(client)}`;
      const copied = await run(client, ["cp", join(folder, "in"), `shell:${there}`]);
      assert.equal(copied.code, 0, copied.stderr);
      const seen = await run(client, ["exec", "shell", "--", "cat", `${there}/deep/small`]);
      assert.equal(seen.stdout.toString(), "small\n", seen.stderr);
      const back = await run(client, ["cp", `shell:${there}`, join(folder, "out")]);
      assert.equal(back.code, 0, back.stderr);
      assert.equal(sha256(await readFile(join(folder, "out/big"))), sha256(big));
      assert.equal(await readFile(join(folder, "out/deep/small"), "utf8"), "small\n");
      const missing = await run(client, ["cp", "shell:/no/such/file", join(folder, "none")]);
      assert.notEqual(missing.code, 0);
    });

    it("works in a terminal, and follows its size", async () => {
      const fifo = join(harness.cluster.directory, `resize-${clients.indexOf(client)}`);
      await promisify(execFile)("mkfifo", [fifo]);
      const kubectl = [client.program, "--kubeconfig", harness.cluster.kubeconfig, "exec", "-it", "shell", "--", "sh"];
      // script(1) gives kubectl a terminal; a line written to the fifo changes its size.
      const resize = `(read line < ${fifo}; stty rows 50 cols 132 < /dev/tty) &`;
      const inner = `stty rows 24 cols 80; ${resize} exec ${kubectl.join(" ")}`;
      await using shell = new Kubectl({ ...client, program: "script" }, ["-qefc", inner, "/dev/null"]);
      await shell.says("$ ");
      shell.write("stty size\r");
      await shell.says(/\b24 80\b/);
      await writeFile(fifo, "now\n");
      await eventually("the new size inside", 10_000, async () => {
        shell.write("stty size\r");
        await shell.says(/\b50 132\b/, 2000);
        return true;
      });
      shell.write("exit 5\r");
      const ended = await shell.ended;
      assert.equal(ended.code, 5, shell.stdout);
    });
  });
