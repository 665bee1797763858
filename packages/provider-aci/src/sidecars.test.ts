// The order of sidecars and others, kept by real shells, each container a process of this machine.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { Container, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { checkSidecars, inOrder, sidecarMounts, sidecarVolumes } from "./sidecars.ts";

/** For what takes a second or two where nothing else is done. */
const deadlineMs = 10_000;

class Running {
  output = "";
  /** Undefined while it runs. */
  code: number | undefined;
  readonly #process: ChildProcess;

  constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#process = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
    this.#process.stdout?.on("data", (chunk: Buffer) => {
      this.output += chunk.toString();
    });
    // What its shell began beside it goes with the container, not with the process.
    this.#process.on("exit", (code) => {
      this.code = code ?? -1;
    });
  }

  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  kill(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  }

  until(text: string): Promise<boolean> {
    return eventually(`it says ${text}`, deadlineMs, async () => this.output.includes(text));
  }

  /** Its shell would not end by TERM as programs do. */
  trapsTerm(): Promise<boolean> {
    return eventually("it traps TERM", deadlineMs, async () => {
      const status = await readFile(`/proc/${this.#process.pid}/status`, "utf8");
      const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
      return ((caught >> BigInt(constants.signals.SIGTERM - 1)) & 1n) === 1n;
    });
  }

  ended(): Promise<number> {
    // 0 is an answer, too.
    return eventually("it ends", deadlineMs, async () =>
      this.code === undefined ? undefined : { code: this.code },
    ).then(({ code }) => code);
  }
}

interface World {
  readonly directory: string;
  readonly start: (name: string) => Running;
}

async function world(t: TestContext, spec: PodSpec): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-sidecars-"));
  for (const name of ["started", "ended"]) await mkdir(join(directory, name));
  const all: Running[] = [];
  t.after(async () => {
    for (const each of all) each.kill();
    // What was killed may have been about to write.
    await rm(directory, { recursive: true, maxRetries: 5 });
  });
  const start = (name: string): Running => {
    const placed = placedContainers(spec).find(({ container }) => container.name === name);
    assert.ok(placed !== undefined);
    const command = inOrder(placed.container.command ?? [], spec, placed);
    const running = new Running(command.map((word) => word.replaceAll("/var/run/virtual-kubelet", directory)));
    all.push(running);
    return running;
  };
  return { directory, start };
}

const shell = (script: string): readonly string[] => ["/bin/sh", "-c", script];
const side = (name: string, script: string, more: Partial<Container> = {}): Container => ({
  ...{ name, image: "i", restartPolicy: "Always", command: [...shell(script)] },
  ...more,
});
const main = (script: string, name = "main"): Container => ({ name, image: "i", command: [...shell(script)] });
const serving = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done";

describe("sidecars", { concurrency: true }, () => {
  it("start one after another, and the others when they have", async (t) => {
    const ready = "test -e ready";
    const { directory, start } = await world(t, {
      initContainers: [
        side("a", serving),
        side("b", serving, {
          startupProbe: { exec: { command: [...shell(`cd "$VK_TEST" && ${ready}`)] }, periodSeconds: 1 },
        }),
      ],
      containers: [main("echo began; sleep 60")],
    });
    process.env["VK_TEST"] = directory;
    const [first, b] = [start("main"), start("b")];
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual([first.output, b.output], ["", ""]);
    const a = start("a");
    await Promise.all([a.until("up"), b.until("up")]);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(first.output, "", "the startup probe has not succeeded");
    await writeFile(join(directory, "ready"), "");
    await first.until("began");
    // What waited is its process now: it ends by its own code.
    a.terminate();
    assert.equal(await a.ended(), 7);
  });

  it("who waits ends by TERM", async (t) => {
    const { start } = await world(t, { initContainers: [side("a", serving)], containers: [main("echo began")] });
    const waiting = start("main");
    await waiting.trapsTerm();
    waiting.terminate();
    assert.equal(await waiting.ended(), 143);
    assert.equal(waiting.output, "");
  });

  it("of a pod that ends are restarted, and end with the last of the others", async (t) => {
    const { directory, start } = await world(t, {
      restartPolicy: "Never",
      initContainers: [side("a", serving), side("crash", "echo run; exit 1")],
      containers: [main("exit 3"), main("until [ -e /var/run/virtual-kubelet/finish ]; do sleep 0.1; done", "slow")],
    });
    const [a, crash, first, slow] = ["a", "crash", "main", "slow"].map(start);
    assert.ok(a !== undefined && crash !== undefined && first !== undefined && slow !== undefined);
    assert.equal(await first.ended(), 3);
    await Promise.all([a.until("up"), crash.until("run\nrun\n")]);
    assert.equal(a.code, undefined);
    await writeFile(join(directory, "finish"), "");
    assert.equal(await slow.ended(), 0);
    assert.deepEqual(await Promise.all([a.ended(), crash.ended()]), [0, 0]);
    await a.until("up\nbye\n");
  });

  it("go on while one that failed is to be restarted", async (t) => {
    const { start } = await world(t, {
      restartPolicy: "OnFailure",
      initContainers: [side("a", serving)],
      containers: [main("exit 1")],
    });
    const a = start("a");
    assert.equal(await start("main").ended(), 1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(a.code, undefined);
    await a.until("up");
    a.terminate();
    assert.equal(await a.ended(), 0);
    await a.until("bye");
  });

  it("TERM reaches the process behind the shell, which is killed when its grace is over", async (t) => {
    const { start } = await world(t, {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 1,
      initContainers: [side("a", "trap '' TERM; echo up; while :; do sleep 0.1; done")],
      containers: [main("trap 'echo end; exit 9' TERM; echo began; while :; do sleep 0.1; done")],
    });
    const [a, only] = [start("a"), start("main")];
    await only.until("began");
    only.terminate();
    assert.equal(await only.ended(), 9);
    assert.equal(await a.ended(), 0);
  });

  it("mount what they share: who writes may, the others read", () => {
    const spec: PodSpec = {
      restartPolicy: "Never",
      initContainers: [{ name: "plain", image: "i" }, side("a", "")],
      containers: [main("")],
    };
    assert.deepEqual(
      sidecarVolumes(spec).map(({ name }) => name),
      ["virtual-kubelet-started", "virtual-kubelet-ended"],
    );
    const mounts = placedContainers(spec).map((placed) =>
      sidecarMounts(spec, placed).map(({ readOnly = false }) => readOnly),
    );
    assert.deepEqual(mounts, [[], [false, true], [true, false]]);
  });

  for (const [what, more, field] of [
    ["a startup probe that is no command", { startupProbe: { tcpSocket: { port: 1 } } }, "startupProbe"],
    ["a postStart hook", { lifecycle: { postStart: { exec: { command: ["a"] } } } }, "lifecycle.postStart"],
  ] as const satisfies readonly (readonly [string, Partial<Container>, string])[])
    it(`with ${what} are refused`, () => {
      const spec: PodSpec = { initContainers: [side("a", "", more)], containers: [main("")] };
      assert.throws(() => checkSidecars(spec), { kind: "Unsupported", field: `spec.initContainers[0].${field}` });
    });
});
