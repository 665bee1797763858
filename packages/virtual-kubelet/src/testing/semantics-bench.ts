// What the scenarios run on: a control plane, the program with a provider, and all that the API server ever showed of its pods,
// from its watch; what their containers write down themselves; and that nothing of them is left.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeClient } from "../kube/client.ts";
import { events, nodes, pods, type Stored } from "../kube/resource.ts";
import type { Container, Event, Pod, PodSpec } from "../kube/types.gen.ts";
import { eventually } from "./eventually.ts";
import { everyState } from "./every-state.ts";
import type { ManagedProcess } from "./processes.ts";
import type { SemanticsHost, SemanticsSubject } from "./semantics-subject.ts";
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

export class SemanticsBench<
  Subject extends SemanticsSubject = SemanticsSubject,
  Host extends SemanticsHost = SemanticsHost,
> implements AsyncDisposable
{
  readonly subject: Subject;
  readonly harness: Host;
  /** Anybody may write there. */
  readonly scratch: string;
  readonly #seen = new Map<string, Seen>();
  readonly #end = new AbortController();
  #flags: readonly string[] = [];
  #program: ManagedProcess | undefined;
  #watching: Promise<void> | undefined;
  #fault: unknown;

  constructor(subject: Subject, host: Host) {
    this.subject = subject;
    this.harness = host;
    this.scratch = join(subject.directory, "scratch");
    mkdirSync(this.scratch, { recursive: true });
    chmodSync(this.scratch, 0o777);
  }

  /** Disposes of subject and host at the end, and if it fails. `args`: more of them for the program. */
  static async start<Subject extends SemanticsSubject, Host extends SemanticsHost>(
    subject: Subject,
    host: Host,
    args: readonly string[] = [],
  ): Promise<SemanticsBench<Subject, Host>> {
    const self = new SemanticsBench(subject, host);
    try {
      self.#watching = self.#watch().catch((error: unknown) => {
        self.#fault = error;
      });
      self.#flags = ["--nodename", subject.node, ...subject.flags, ...args];
      await self.#nodeIsReady(await self.launch());
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

  get client(): KubeClient {
    return this.harness.client;
  }

  /** As administrator; must succeed. Answers its standard output. */
  async kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await this.harness.cluster.kubectl(...args);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** A container of a shell script: `at word` writes a stamp, `run` is how often the container has begun, from 1 on. */
  container(pod: string, name: string, script: string, change: Partial<Container> = {}): Container {
    const count = join(this.scratch, `${pod}.${name}.runs`);
    const prelude = [
      `at() { ${this.stampCommand(pod, "$1")}; }`,
      `run=$(($(cat ${count} 2>/dev/null || echo 0) + 1)); echo $run >${count}`,
    ];
    return {
      name,
      image: this.subject.images[0],
      command: ["/bin/sh", "-c", [...prelude, script].join("\n")],
      ...change,
      env: [...this.marks(pod), ...(change.env ?? [])],
    };
  }

  /** What tells the processes of a pod from others. */
  marks(pod: string): readonly { readonly name: string; readonly value: string }[] {
    return [
      { name: "VKTEST", value: this.subject.directory },
      { name: "VKPOD", value: pod },
    ];
  }

  stampFile(pod: string): string {
    return join(this.scratch, `${pod}.stamps`);
  }

  /** For scripts that are not a container's: hooks. Not every `date` can tell more than seconds. */
  stampCommand(pod: string, word: string): string {
    return `read -r up_ idle_ </proc/uptime; echo "up$up_ ${word}" >>${this.stampFile(pod)}`;
  }

  stamps(pod: string): readonly Stamp[] {
    // The shell makes the file before it writes to it: only what ends a line was written.
    const lines = readFileSync(this.stampFile(pod), "utf8").split("\n").slice(0, -1);
    const begin = Date.now() - 1000 * Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    return lines.map((line) => {
      const [at = "", what = ""] = line.split(" ");
      // Or nanoseconds of the epoch, of those who have them.
      const time = at.startsWith("up") ? begin + 1000 * Number(at.slice(2)) : Number(BigInt(at) / 1_000_000n);
      return { at: time, what };
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
    return this.harness.client.create(pods, {
      metadata: { name, namespace: "default", labels },
      spec: this.subject.pod({
        tolerations: [{ key: "virtual-kubelet.io/provider", operator: "Exists" }],
        terminationGracePeriodSeconds: 5,
        containers: [],
        ...spec,
      }),
    });
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

  processesOf(pod: string): readonly string[] {
    const uid = this.#seen.get(pod)?.history[0]?.metadata.uid ?? assert.fail(`nothing was seen of ${pod}`);
    return this.subject.processesOf({ name: pod, uid });
  }

  async #nodeIsReady(program: ManagedProcess): Promise<void> {
    try {
      await eventually(`node ${this.subject.node} is ready`, patience, async () => {
        const { items } = await this.client.list(nodes, { fieldSelector: `metadata.name=${this.subject.node}` });
        const ready = items[0]?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
        assert.ok(program.running, "the program ended");
        return ready === true;
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${await program.logTail()}`);
    }
  }

  async #watch(): Promise<void> {
    const options = { namespace: "default", signal: this.#end.signal };
    await everyState(this.harness.client, pods, options, ({ type, object }) => {
      const seen = this.#of(object.metadata.name);
      if (type === "DELETED") seen.goneAt = Date.now();
      else if (object.status?.startTime !== undefined) seen.history.push(object);
    });
  }

  #of(name: string): Seen {
    if (this.#fault !== undefined) throw this.#fault;
    const seen = this.#seen.get(name) ?? { history: [] };
    this.#seen.set(name, seen);
    return seen;
  }

  /** With all pods deleted first, nothing of them may be left on the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    // The last first; each of them, even where another fails.
    await using _subject = this.subject;
    await using _host = this.harness;
    this.#end.abort();
    await this.#watching;
    await this.#program?.kill("SIGKILL");
  }
}
