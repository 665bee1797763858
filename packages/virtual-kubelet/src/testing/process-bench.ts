// A runtime of processes over a directory of its own, for tests; and what must not be left of it. Needs root on Linux.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRef, ContainerSpec, RuntimeContainer, SandboxSpec } from "../engine/container-runtime.ts";
import { VirtualKubeletError } from "../errors.ts";
import { mountsUnder } from "../host/mounts.ts";
import { silentLogger } from "../log.ts";
import type { CallContext } from "../provider.ts";
import { type ProcessConfig, parseProcessConfig } from "../providers/process/config.ts";
import { bridgeName } from "../providers/process/pod-network.ts";
import { ProcessRuntime } from "../providers/process/process-runtime.ts";
import { ProcessCleanup } from "./process-cleanup.ts";

export const quiet: CallContext = { signal: new AbortController().signal, log: silentLogger };
export const benchImage = "registry.example/host:1";

export class ProcessBench implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "vk-process-"));
  readonly config: ProcessConfig;
  readonly node = "node-a";
  /** Of pods in networks of their own. */
  readonly bridge: string = bridgeName(join(this.directory, "state", "node-a"));
  readonly #cgroup = `vk-test-${randomUUID()}`;
  readonly #cleanup: ProcessCleanup;
  #runtime: ProcessRuntime | undefined;

  constructor(settings: Readonly<Record<string, unknown>> = {}) {
    assert.equal(process.getuid?.(), 0, "tests of processes in namespaces need root");
    // Mount points of tests are in it: the host's root is theirs, too.
    chmodSync(this.directory, 0o755);
    this.#cleanup = new ProcessCleanup(this.directory, this.#cgroup, this.bridge);
    this.config = parseProcessConfig({
      stateDirectory: join(this.directory, "state"),
      cgroupParent: this.#cgroup,
      images: { [benchImage]: "host" },
      ...settings,
    });
  }

  get runtime(): ProcessRuntime {
    assert.ok(this.#runtime !== undefined, "open() comes first");
    return this.#runtime;
  }

  async open(): Promise<ProcessRuntime> {
    const { config, node } = this;
    this.#runtime = await ProcessRuntime.open({ config, node, log: silentLogger, hostIPs: ["192.0.2.1"] });
    return this.#runtime;
  }

  async reopen(): Promise<ProcessRuntime> {
    await this.runtime[Symbol.asyncDispose]();
    return this.open();
  }

  async pod(change: Partial<SandboxSpec> = {}): Promise<string> {
    const spec = sandboxOf(change);
    await this.runtime.createSandbox(spec, quiet);
    return spec.owner.uid;
  }

  /** Made and started. */
  async run(podUid: string, script: string, change: Partial<ContainerSpec> = {}): Promise<ContainerRef> {
    const spec = containerOf(podUid, script, change);
    await this.runtime.createContainer(spec, quiet);
    await this.runtime.startContainer(spec, quiet);
    return { podUid, name: spec.name, attempt: spec.attempt };
  }

  async container({ podUid, name, attempt }: ContainerRef): Promise<RuntimeContainer> {
    const sandbox = await this.runtime.get(podUid, quiet);
    const found = sandbox?.containers.find((each) => each.name === name && each.attempt === attempt);
    assert.ok(found !== undefined, `${name} is there`);
    return found;
  }

  async ended(ref: ContainerRef): Promise<RuntimeContainer> {
    await until(
      async () => ["exited", "unknown"].includes((await this.container(ref)).state),
      `the end of ${ref.name}`,
    );
    return this.container(ref);
  }

  /** Of a command in the container: what it wrote, to whichever stream, and its code. */
  async exec(ref: ContainerRef, ...command: string[]): Promise<{ readonly out: string; readonly code: number }> {
    const stdout = new PassThrough();
    const chunks: Buffer[] = [];
    stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const { exitCode } = await this.runtime.exec(ref, command, { tty: false, stdout, stderr: stdout }, quiet);
    return { out: Buffer.concat(chunks).toString(), code: exitCode };
  }

  /** Lines of the log without their times. */
  async log(ref: ContainerRef): Promise<readonly string[]> {
    return (await this.rawLog(ref)).map((line) => line.slice(line.indexOf(" ") + 1));
  }

  async rawLog(ref: ContainerRef): Promise<readonly string[]> {
    const { data } = await this.runtime.logs(ref, {}, quiet);
    const chunks: Uint8Array[] = [];
    for await (const chunk of data) chunks.push(chunk);
    return Buffer.concat(chunks).toString().split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#runtime !== undefined) {
        for (const { owner } of await this.#runtime.list(quiet)) await this.#runtime.removeSandbox(owner.uid, quiet);
        await this.#runtime[Symbol.asyncDispose]();
      }
      await until(
        () => this.leftovers().length === 0,
        () => `nothing to be left: ${this.leftovers().join("; ")}`,
      );
    } finally {
      await this.#cleanup.close();
    }
  }

  /** Mounts, control groups and processes of this bench. */
  leftovers(): readonly string[] {
    return [
      ...mountsUnder(this.directory),
      ...[this.bridge, ...this.links()].filter((name) => existsSync(`/sys/class/net/${name}`)),
      ...globSync([`/sys/fs/cgroup/${this.#cgroup}/**/`, `/sys/fs/cgroup/*/${this.#cgroup}/**/`]),
      ...this.processes().map(({ pid, command }) => `process ${pid}: ${command}`),
    ];
  }

  /** The host's ends of pods' links. */
  links(): readonly string[] {
    return readdirSync("/sys/class/net").filter((name) => name.startsWith(`vk${this.bridge.slice(-4)}`));
  }

  /** Everything whose command line, control group or environment speaks of it, ourselves and what cleans up excepted. */
  processes(): readonly { readonly pid: number; readonly command: string }[] {
    return readdirSync("/proc").flatMap((name) => {
      if (!/^\d+$/.test(name) || [process.pid, this.#cleanup.pid].includes(Number(name))) return [];
      const read = (file: string): string => {
        try {
          return readFileSync(`/proc/${name}/${file}`, "latin1");
        } catch {
          return "";
        }
      };
      const command = read("cmdline").replaceAll("\0", " ");
      const ours =
        command.includes(this.directory) ||
        read("environ").includes(`VKTEST=${this.directory}`) ||
        read("cgroup").includes(`/${this.#cgroup}/`);
      return ours && !/^\d+ \(.*\) [ZX]/s.test(read("stat")) ? [{ pid: Number(name), command }] : [];
    });
  }
}

export function sandboxOf(change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    owner: { cluster: "cluster-a", node: "node-a", namespace: "default", name: "pod-a", uid: randomUUID() },
    ...{ revision: "1", hostname: "pod-a", hostNetwork: false, hostPID: false, hostIPC: false },
    ...{ shareProcessNamespace: false, sysctls: {}, hostPorts: [], volumes: [], notes: {} },
    ...change,
  };
}

export function containerOf(podUid: string, script: string, change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    ...{ podUid, name: "main", attempt: 0, image: benchImage, command: ["/bin/sh", "-c", script], env: [], mounts: [] },
    ...{ tty: false, stdin: false, stdinOnce: false, terminationMessagePath: "/dev/termination-log" },
    ...{ security: {}, resources: {}, notes: {} },
    ...change,
  };
}

/** A range that a test has not given back within this time belongs to nobody: it was killed. */
const rangeHeldMs = 3_600_000;

/** First three numbers of a range for pods that no other test has at this moment: of those kept for tests of networks. */
export function benchRange(): string {
  for (;;) {
    const range = `198.${randomInt(18, 20)}.${randomInt(256)}`;
    const claim = join(tmpdir(), `virtual-kubelet-bench-range-${range}`);
    const since = statSync(claim, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > rangeHeldMs) rmSync(claim, { recursive: true, force: true });
    const owner = randomUUID();
    try {
      writeFileSync(claim, owner, { flag: "wx" });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") continue;
      throw error;
    }
    process.once("exit", () => {
      // It may have been given back meanwhile, and be another's.
      if (existsSync(claim) && readFileSync(claim, "utf8") === owner) rmSync(claim, { force: true });
    });
    return range;
  }
}

/** Is it a refusal that names this field? */
export function refuses(kind: "Unsupported" | "Invalid", field: string): (error: unknown) => boolean {
  return (error) => error instanceof VirtualKubeletError && error.kind === kind && error.field === field;
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutMs = 100_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`timed out waiting for ${typeof what === "string" ? what : what()}`);
    await sleep(20);
  }
}
