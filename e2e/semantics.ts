// A control plane, the program with the process provider, and all that the API server ever showed of its pods, from its watch;
// what their containers write down themselves; and that nothing of them is left. Needs root on Linux.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { events, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Event, Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { ControlPlaneOptions } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { ProcessBench } from "../packages/virtual-kubelet/src/testing/process-bench.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, podObject, startHarness } from "./harness.ts";
import { assertLawful, departure, statusLine } from "./status-history.ts";

/** A machine that is busy with other things is late, not wrong. */
export const patience = 90_000;

/** Something a container wrote down, with the time of its own clock in epoch milliseconds. */
export interface Stamp {
  readonly at: number;
  readonly what: string;
}

interface Seen {
  readonly history: Stored<Pod>[];
  goneAt?: number;
}

export class SemanticsBench implements AsyncDisposable {
  readonly harness: Harness;
  readonly bench: ProcessBench;
  /** Anybody may write there. */
  readonly scratch: string;
  readonly #seen = new Map<string, Seen>();
  readonly #end = new AbortController();
  #flags: readonly string[] = [];
  #program: ManagedProcess | undefined;
  #watching: Promise<void> | undefined;
  #fault: unknown;

  constructor(harness: Harness, bench: ProcessBench) {
    this.harness = harness;
    this.bench = bench;
    this.scratch = join(bench.directory, "scratch");
    mkdirSync(this.scratch);
    chmodSync(this.scratch, 0o777);
  }

  /** `settings`: of the process provider; `args`: of the program. */
  static async start(
    settings: Readonly<Record<string, unknown>> = {},
    args: readonly string[] = [],
    controlPlane: ControlPlaneOptions = {},
  ): Promise<SemanticsBench> {
    const bench = new ProcessBench({ images: { "*": "host" }, ...settings });
    const self = new SemanticsBench(await startHarness(controlPlane), bench);
    try {
      const file = await self.harness.writeFile("process.yaml", JSON.stringify(bench.config));
      self.#watching = self.#watch().catch((error: unknown) => {
        self.#fault = error;
      });
      self.#flags = ["--nodename", bench.node, "--provider", "process", "--provider-config", file, ...args];
      await self.harness.nodeIsReady(bench.node, await self.launch(), patience);
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
    return self;
  }

  /** Starts the program; again, where it was killed. */
  async launch(): Promise<ManagedProcess> {
    this.#program = await this.harness.program(this.#flags);
    return this.#program;
  }

  get program(): ManagedProcess {
    return this.#program ?? assert.fail("there is no program");
  }

  /** A container of a shell script: `at word` writes a stamp, `run` is how often the container has begun, from 1 on. */
  container(pod: string, name: string, script: string, change: Partial<Container> = {}): Container {
    const count = join(this.scratch, `${pod}.${name}.runs`);
    const prelude = [
      `at() { echo "$(date +%s%N) $1" >>${this.stampFile(pod)}; }`,
      `run=$(($(cat ${count} 2>/dev/null || echo 0) + 1)); echo $run >${count}`,
    ];
    return {
      name,
      image: "registry.example/host:1",
      command: ["/bin/sh", "-c", [...prelude, script].join("\n")],
      ...change,
      env: [{ name: "VKTEST", value: this.bench.directory }, { name: "VKPOD", value: pod }, ...(change.env ?? [])],
    };
  }

  stampFile(pod: string): string {
    return join(this.scratch, `${pod}.stamps`);
  }

  stamps(pod: string): readonly Stamp[] {
    const lines = readFileSync(this.stampFile(pod), "utf8").trim().split("\n");
    return lines.map((line) => {
      const [at = "", what = ""] = line.split(" ");
      return { at: Number(BigInt(at) / 1_000_000n), what };
    });
  }

  async untilStamp(pod: string, what: string, times = 1): Promise<void> {
    const found = (): boolean => this.stamps(pod).filter((stamp) => stamp.what === what).length >= times;
    await eventually(`${pod} writes ${what}`, patience, found);
  }

  /** For what containers wait for. */
  touch(name: string): void {
    writeFileSync(join(this.scratch, name), "there\n", { mode: 0o644 });
  }

  run(name: string, spec: Partial<PodSpec>, labels: Readonly<Record<string, string>> = {}): Promise<Stored<Pod>> {
    return this.harness.client.create(pods, podObject(name, { labels, spec }));
  }

  /** The first status seen, now or later, that is as wanted. */
  async until(description: string, name: string, holds: (pod: Stored<Pod>) => boolean): Promise<Stored<Pod>> {
    try {
      return await eventually(`${name}: ${description}`, patience, () => this.#of(name).history.find(holds));
    } catch (error) {
      throw new Error(`${String(error)}\n${this.lines(name).join("\n")}`);
    }
  }

  /** Waits for a status with this line, or a part of it, beyond the first `after` statuses; answers how many were seen by then. */
  async untilLine(name: string, part: string, after = 0): Promise<number> {
    const found = await this.until(
      `shows ${part} after ${after}`,
      name,
      (pod) => this.#of(name).history.indexOf(pod) >= after && statusLine(pod).includes(part),
    );
    return this.#of(name).history.indexOf(found) + 1;
  }

  /** Deletes it and waits until it is gone; answers how many milliseconds that took. */
  async remove(name: string, gracePeriodSeconds?: number): Promise<number> {
    const began = Date.now();
    await this.harness.client.delete(pods, { name, namespace: "default" }, { gracePeriodSeconds });
    const gone = await eventually(`${name} is gone`, patience, () => this.#of(name).goneAt);
    return gone - began;
  }

  /** Every object seen, from the first word of the kubelet on. */
  history(name: string): readonly Stored<Pod>[] {
    return this.#of(name).history;
  }

  /** Distinct lines, in their order, from the first word of the kubelet on; "gone" is the last. */
  lines(name: string): readonly string[] {
    const { history, goneAt } = this.#of(name);
    const lines = history.map(statusLine).filter((line, index, all) => line !== all[index - 1]);
    return goneAt === undefined ? lines : [...lines, "gone"];
  }

  /** The whole history is the golden one, and lawful at each step. */
  assertHistory(name: string, golden: string): void {
    const fault = departure(this.lines(name), golden);
    assert.ok(fault === undefined, `${name}: ${fault}`);
    assertLawful(this.#of(name).history);
  }

  last(name: string): Stored<Pod> {
    return this.#of(name).history.at(-1) ?? assert.fail(`nothing was seen of ${name}`);
  }

  /** "Warning Unhealthy main: text", oldest first. */
  async events(name: string): Promise<readonly string[]> {
    const options = { namespace: "default", fieldSelector: `involvedObject.name=${name}` };
    const { items } = await this.harness.client.list(events, options);
    const from = (one: Event): boolean => one.source?.component === "kubelet";
    return items.filter(from).map(({ type, reason, message, involvedObject: { fieldPath = "" } }) => {
      const container = /\{(.*)\}/.exec(fieldPath)?.[1];
      return `${type} ${reason}${container === undefined ? "" : ` ${container}`}: ${message}`;
    });
  }

  async untilEvent(name: string, pattern: RegExp): Promise<void> {
    let told: readonly string[] = [];
    const found = async (): Promise<boolean> => {
      told = await this.events(name);
      return told.some((one) => pattern.test(one));
    };
    try {
      await eventually(`${name}: event ${pattern}`, 30_000, found);
    } catch (error) {
      throw new Error(`${String(error)}\n${told.join("\n")}`);
    }
  }

  /** Waits until no process of the pod's containers is left, be it a hook's or a grandchild. */
  async assertNothingRuns(pod: string): Promise<void> {
    let left: readonly string[] = [];
    const none = (): boolean => {
      left = this.processesOf(pod);
      return left.length === 0;
    };
    await eventually("no process is left", 30_000, none).catch(() => assert.fail(`left: ${left.join("; ")}`));
  }

  /** By the environment that all of them inherit, and by the directory of the pod. */
  processesOf(pod: string): readonly string[] {
    const uid = this.#seen.get(pod)?.history[0]?.metadata.uid ?? assert.fail(`nothing was seen of ${pod}`);
    return readdirSync("/proc").flatMap((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
      const read = (file: string): string => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, "latin1");
        } catch {
          return "";
        }
      };
      const environment = `\0${read("environ")}`;
      const marked =
        environment.includes(`\0VKPOD=${pod}\0`) && environment.includes(`VKTEST=${this.bench.directory}\0`);
      const command = read("cmdline").replaceAll("\0", " ");
      const ours = marked || command.includes(uid) || read("cgroup").includes(uid);
      return ours && !/^\d+ \(.*\) [ZX]/s.test(read("stat")) ? [`${pid} ${command}`] : [];
    });
  }

  async #watch(): Promise<void> {
    const options = { namespace: "default", sendInitialEvents: true, signal: this.#end.signal };
    try {
      for await (const event of this.harness.client.watch(pods, options)) {
        if (event.type === "BOOKMARK") continue;
        const { object } = event;
        const seen = this.#of(object.metadata.name);
        if (event.type === "DELETED") seen.goneAt = Date.now();
        else if (object.status?.startTime !== undefined) seen.history.push(object);
      }
      throw new Error("the watch of pods ended");
    } catch (error) {
      if (!this.#end.signal.aborted) throw error;
    }
  }

  #of(name: string): Seen {
    if (this.#fault !== undefined) throw this.#fault;
    const seen = this.#seen.get(name) ?? { history: [] };
    this.#seen.set(name, seen);
    return seen;
  }

  /** With all pods deleted first, nothing of them may be left on the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#watching;
    await this.#program?.kill("SIGKILL");
    await this.harness[Symbol.asyncDispose]();
    await this.bench.open();
    await this.bench[Symbol.asyncDispose]();
  }
}
