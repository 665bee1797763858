// kubectl as users run it, over both wires, on running pods, whatever runs them: logs, exec, attach, cp, port-forward, and debug with
// a container that sees another's processes. Registered by the test file of each provider.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Container } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { SemanticsBench } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import type { SemanticsSubject } from "../packages/virtual-kubelet/src/testing/semantics-subject.ts";
import { eventually, type Harness } from "./harness.ts";
import { kubectlClients, runKubectl, startInTerminal, startKubectl } from "./kubectl.ts";

export interface KubectlSubject<Subject extends SemanticsSubject> {
  start(): Promise<SemanticsBench<Subject, Harness>>;
  /** As whom commands run, and what makes containers do so. */
  readonly user: { readonly uid: number; readonly gid: number; readonly change?: Partial<Container> };
  /** A directory of containers where that user may write. */
  scratch(semantics: SemanticsBench<Subject, Harness>): string;
  /** A server at the loopback of its pod: its port, and the script that runs it. */
  server(): Promise<{ readonly port: number; readonly script: string }>;
  /** Ten connections at a time to it, by way of this port of ours, get what they should. */
  reaches(local: number, semantics: SemanticsBench<Subject, Harness>): Promise<void>;
  /** What is left of pods that are gone; none may be. */
  leftovers(semantics: SemanticsBench<Subject, Harness>): Promise<readonly string[]>;
}

const clients = (await kubectlClients()).filter(({ name }) => name.startsWith("kubectl 1.36"));
const names = ["web", "cat", "shell", "server"];
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Registers the suite for pods that are `what`. */
export function kubectlOnPods<Subject extends SemanticsSubject>(what: string, options: KubectlSubject<Subject>): void {
  let semantics: SemanticsBench<Subject, Harness>;
  let port: number;

  before(async () => {
    semantics = await options.start();
    const server = await options.server();
    port = server.port;
    const container = semantics.container.bind(semantics);
    const wait = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    const web = { env: [{ name: "GREETING", value: "hello there" }], ...options.user.change };
    await Promise.all([
      semantics.run("web", { containers: [container("web", "main", wait, web)] }),
      semantics.run("cat", { containers: [container("cat", "main", "exec cat", { stdin: true })] }),
      semantics.run("shell", {
        restartPolicy: "Never",
        containers: [container("shell", "main", "exec sh -i", { stdin: true, tty: true })],
      }),
      semantics.run("server", { containers: [container("server", "main", server.script)] }),
    ]);
    for (const name of names) await semantics.until("runs", name, ({ status }) => status?.phase === "Running");
  });
  after(() => semantics?.[Symbol.asyncDispose]());

  for (const [id, client] of clients.entries())
    describe(`${client.name} on ${what}`, { timeout: 900_000 }, () => {
      const run = (args: readonly string[], input: string | Uint8Array = "") =>
        runKubectl(semantics.harness, client, args, input);

      it("logs -f shows what was, what comes, and ends with the container, its last words included", async () => {
        const name = `talking-${id}`;
        const script = `trap 'echo bye; exit 0' TERM; i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.05; done`;
        await semantics.run(name, {
          terminationGracePeriodSeconds: 120,
          containers: [semantics.container(name, "main", script)],
        });
        await semantics.until("runs", name, ({ status }) => status?.phase === "Running");
        await using following = startKubectl(semantics.harness, client, "logs", "-f", name);
        await following.says("line 30\n");
        await semantics.remove(name);
        const { code, stdout } = await following.ended;
        const lines = stdout.toString().trimEnd().split("\n");
        assert.equal(code, 0);
        assert.ok(lines.length > 30);
        assert.deepEqual(lines, [...lines.slice(1).map((_, index) => `line ${index + 1}`), "bye"]);
      });

      it("logs has times, tails, and what the run before said", async () => {
        const name = `again-${id}`;
        const script = "echo run $run; [ $run = 1 ] && exit 1; echo second; while :; do sleep 0.1; done";
        await semantics.run(name, { containers: [semantics.container(name, "main", script)] });
        await semantics.untilLine(name, "main:running+ready#1");
        const said = async (...args: string[]): Promise<string> =>
          (await run(["logs", name, ...args])).stdout.toString();
        await eventually("both lines", 10_000, async () => (await said()) === "run 2\nsecond\n");
        assert.equal(await said("--previous"), "run 1\n");
        assert.equal(await said("--tail", "1"), "second\n");
        const timed = await said("--timestamps");
        assert.match(timed, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|\+00:00) run 2\n/);
        await semantics.remove(name, 1);
      });

      it("exec runs commands as the container's user, with its environment, its input and their codes", async () => {
        const hello = await run([
          "exec",
          "web",
          "--",
          "sh",
          "-c",
          'echo "$GREETING"; id -u; id -g; echo oops >&2; exit 3',
        ]);
        assert.deepEqual(
          [hello.stdout.toString(), hello.code],
          [`hello there\n${options.user.uid}\n${options.user.gid}\n`, 3],
        );
        assert.match(hello.stderr, /^oops\n/m);
        const bytes = randomBytes(5_000_000);
        const echoed = await run(["exec", "-i", "web", "--", "cat"], bytes);
        assert.equal(sha256(echoed.stdout), sha256(bytes));
        const missing = await run(["exec", "web", "--", "no-such-program"]);
        assert.notEqual(missing.code, 0);
      });

      it("exec -it is a terminal", async () => {
        await using shell = startInTerminal(semantics.harness, client, "exec", "-it", "web", "--", "sh");
        // Some ask their terminal where the cursor is, after that.
        await shell.says(/[$#] /);
        shell.write('stty rows 31 cols 97; stty size; echo "user $(id -u)"\r');
        await shell.says(/\b31 97\b/);
        await shell.says(`user ${options.user.uid}`);
        shell.write("sleep 1000\r");
        const sleeps = (): boolean => semantics.processesOf("web").some((one) => one.includes("sleep 1000"));
        await eventually("it sleeps", 10_000, sleeps);
        shell.write("\u0003");
        await eventually("Ctrl-C ends it", 10_000, () => !sleeps());
        shell.write("exit 5\r");
        assert.equal((await shell.ended).code, 5, shell.stdout);
      });

      it("a command whose client is gone ends", async () => {
        const command = ["exec", "web", "--", "sh", "-c", "echo up; sleep 1001"];
        await using sleeping = startKubectl(semantics.harness, client, ...command);
        await sleeping.says("up");
        sleeping.child.kill("SIGKILL");
        await eventually("it is gone", 20_000, () =>
          semantics.processesOf("web").every((one) => !one.includes("1001")),
        );
      });

      it("attach gives input to the container and shows its output from then on", async () => {
        await using attached = startKubectl(semantics.harness, client, "attach", "-i", "cat");
        attached.write(`first ${id}\n`);
        await attached.says(`first ${id}`);
        const left = await attached.end(`last ${id}\n`);
        assert.deepEqual([left.code, left.stdout.toString()], [0, `first ${id}\nlast ${id}\n`]);
        await eventually("all of it in the log", 10_000, async () =>
          (await semantics.kubectl("logs", "cat")).endsWith(`first ${id}\nlast ${id}`),
        );
        assert.equal(semantics.last("cat").status?.containerStatuses?.[0]?.restartCount, 0);
      });

      it("attach -it is the container's terminal", async () => {
        await using first = startInTerminal(semantics.harness, client, "attach", "-it", "shell");
        await first.says(/If you don't see a command prompt|[$#] $/);
        first.write(`[ -t 0 ] && [ -t 1 ] && echo "I am $(hostname) ${id}"\r`);
        await first.says(`I am shell ${id}`);
      });

      it("cp copies folders in and out", async () => {
        const folder = join(semantics.harness.cluster.directory, `cp-${id}`);
        mkdirSync(join(folder, "in/deep"), { recursive: true });
        const big = randomBytes(3_000_000);
        writeFileSync(join(folder, "in/big"), big);
        writeFileSync(join(folder, "in/deep/small"), "small\n");
        const there = join(options.scratch(semantics), `from-${id}`);
        const copied = await run(["cp", join(folder, "in"), `web:${there}`]);
        assert.equal(copied.code, 0, copied.stderr);
        const seen = await run(["exec", "web", "--", "cat", `${there}/deep/small`]);
        assert.equal(seen.stdout.toString(), "small\n", seen.stderr);
        const back = await run(["cp", `web:${there}`, join(folder, "out")]);
        assert.equal(back.code, 0, back.stderr);
        assert.equal(sha256(readFileSync(join(folder, "out/big"))), sha256(big));
      });

      it("port-forward reaches what listens at the pod's loopback", async () => {
        const forward = ["port-forward", "--address", "127.0.0.1", "pod/server", `:${port}`];
        await using forwarding = startKubectl(semantics.harness, client, ...forward);
        await forwarding.says(/Forwarding from 127\.0\.0\.1:\d+/);
        const local = Number(/127\.0\.0\.1:(\d+)/.exec(forwarding.stdout)?.[1]);
        await options.reaches(local, semantics);
        assert.equal(forwarding.child.exitCode, null);
      });

      it("debug starts a container in the pod that sees the processes of its target, and runs once", async () => {
        for (const target of ["main", undefined]) {
          const name = `tools-${id}-${target ?? "alone"}`;
          const script = `read -r line; tr '\\0' ' ' </proc/1/cmdline; echo; echo "got $line"; sleep 1; exit 5`;
          const towards = target === undefined ? [] : ["--target", target];
          const [image] = semantics.subject.images;
          const debug = ["debug", "-i", "web", "--image", image, "--container", name, ...towards];
          await using debugging = startKubectl(semantics.harness, client, ...debug, "--", "/bin/sh", "-c", script);
          debugging.write("a line\n");
          await debugging.says("got a line", 40_000).catch((error: unknown) => {
            const { ephemeralContainerStatuses } = semantics.last("web").status ?? {};
            assert.fail(`${String(error)}\n${JSON.stringify(ephemeralContainerStatuses)}\n${debugging.stderr}`);
          });
          const sees = /while :; do sleep 0\.1; done/.test(debugging.stdout);
          assert.equal(sees, target !== undefined, debugging.stdout);
          const ended = await semantics.until("has ended the tools", "web", ({ status }) =>
            (status?.ephemeralContainerStatuses ?? []).some(
              (one) => one.name === name && one.state?.terminated !== undefined,
            ),
          );
          const status = ended.status?.ephemeralContainerStatuses?.find((one) => one.name === name);
          const { exitCode, reason } = status?.state?.terminated ?? {};
          assert.deepEqual([exitCode, reason, status?.restartCount, status?.ready], [5, "Error", 0, false]);
          assert.equal(ended.status?.phase, "Running");
          assert.ok(ended.status.containerStatuses?.every(({ ready, restartCount }) => ready && restartCount === 0));
        }
      });
    });

  describe(`after kubectl on ${what}`, { timeout: 900_000 }, () => {
    it("pods end as their containers do, and nothing of them is left", async () => {
      await semantics.kubectl("exec", "shell", "--", "kill", "-KILL", "1").catch(() => "");
      for (const name of names) {
        await semantics.remove(name, 1);
        await semantics.assertNothingRuns(name);
      }
      let left: readonly string[] = [];
      const nothing = async (): Promise<boolean> => {
        left = await options.leftovers(semantics);
        return left.length === 0;
      };
      await eventually("nothing is left", 20_000, nothing).catch(() => assert.fail(left.join("\n")));
    });
  });
}
