// A container runtime that is all in memory and in the time of a Clock: containers are scripts that run, end and heed TERM
// as told. Survives the engine over it, keeps a journal, and lets tests put delays and failures around each call.
import type { Clock } from "../clock.ts";
import type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  RuntimeContainer,
  RuntimeSandbox,
  SandboxSpec,
} from "../engine/container-runtime.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { ResourceRequirements } from "../kube/types.gen.ts";
import type { CallContext, ContainerIO, ContainerLogs, ExecResult, NodeReport } from "../provider.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import type { ContainerStats, NodeStats } from "../stats-summary.ts";

/** What one run of a container does. */
export interface RunScript {
  /** Ends by itself so long after its start; absent: never. */
  readonly exitAfterMs?: number | undefined;
  /** Default 0. */
  readonly exitCode?: number | undefined;
  /** Ends so long after TERM; Infinity: never. Default at once. */
  readonly termMs?: number | undefined;
  /** Of an end by TERM; default 143. */
  readonly termExitCode?: number | undefined;
  readonly terminationMessage?: string | undefined;
  readonly log?: string | undefined;
}

export interface JournalEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly what:
    | ("sandbox" | "sandboxStopped" | "sandboxRemoved" | "create" | "start" | "term" | "kill" | "exit" | "remove")
    | ("pull" | "exec" | "resize" | "volumes");
  readonly podUid: string;
  /** Of what concerns a container; for pulls the image. */
  readonly name: string;
  readonly attempt: number;
  readonly exitCode?: number | undefined;
  readonly graceSeconds?: number | undefined;
}

export interface MemoryRuntimeOptions {
  readonly clock: Clock;
  readonly script?: ((spec: ContainerSpec) => RunScript) | undefined;
  /** Images that are here; absent: all. */
  readonly images?: Set<string> | undefined;
  /** What a pull does before the image is here; throws. */
  readonly pull?: ((image: string) => Promise<void>) | undefined;
  /** Around each call: to hold it, to fail it before or after its work. */
  readonly around?: (<T>(call: string, work: () => T) => Promise<T>) | undefined;
  readonly exec?: ((ref: ContainerRef, command: readonly string[], io: ContainerIO) => Promise<ExecResult>) | undefined;
  /** Bytes that the containers of a pod use, each; default 1 MiB. */
  readonly memoryOf?: ((podUid: string) => number) | undefined;
  /** Throws for what it cannot resize; absent: all can be. */
  readonly resize?: ((ref: ContainerRef, resources: ResourceRequirements) => void) | undefined;
}

interface Run {
  readonly spec: ContainerSpec;
  readonly script: RunScript;
  readonly waiters: (() => void)[];
  facts: RuntimeContainer;
  cancel: () => void;
  killAt: number;
  cancelKill: () => void;
}

interface Sandbox {
  spec: SandboxSpec;
  facts: Omit<RuntimeSandbox, "containers">;
  readonly runs: Map<string, Run>;
}

export class MemoryRuntime implements ContainerRuntime {
  readonly type = "memory";
  readonly journal: JournalEntry[] = [];
  readonly #options: MemoryRuntimeOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #listeners = new Set<(uid: string) => void>();
  #ids = 0;
  #node: NodeReport = {};
  readonly #nodeListeners = new Set<() => void>();

  constructor(options: MemoryRuntimeOptions) {
    this.#options = options;
  }

  /** Runs of a pod that are running now. */
  running(podUid: string): readonly RuntimeContainer[] {
    return [...(this.#sandboxes.get(podUid)?.runs.values() ?? [])]
      .map((run) => run.facts)
      .filter((facts) => facts.state === "running");
  }

  /** The pods that are here. */
  get pods(): readonly string[] {
    return [...this.#sandboxes.keys()];
  }

  /** What a run was made with. */
  specOf(ref: ContainerRef): ContainerSpec | undefined {
    return this.#sandboxes.get(ref.podUid)?.runs.get(key(ref))?.spec;
  }

  sandboxSpecOf(podUid: string): SandboxSpec | undefined {
    return this.#sandboxes.get(podUid)?.spec;
  }

  /** Has a running container end, as by itself. */
  exit(ref: ContainerRef, exitCode: number, more: { readonly reason?: string; readonly signal?: number } = {}): void {
    const run = this.#sandboxes.get(ref.podUid)?.runs.get(key(ref));
    if (run?.facts.state === "running") this.#ended(run, exitCode, more);
  }

  /** The host was restarted: nothing runs, and no sandbox is ready. */
  restartHost(): void {
    for (const sandbox of this.#sandboxes.values()) {
      for (const run of sandbox.runs.values()) if (run.facts.state === "running") this.#ended(run, 137, {});
      sandbox.facts = { ...sandbox.facts, ready: false };
      this.#changed(sandbox.spec.owner.uid);
    }
  }

  /** A run vanishes, and nobody knows how it ended. */
  vanish(ref: ContainerRef): void {
    const sandbox = this.#sandboxes.get(ref.podUid);
    const run = sandbox?.runs.get(key(ref));
    if (run === undefined) return;
    if (run.facts.state === "running") this.#ended(run, 137, {});
    sandbox?.runs.delete(key(ref));
    this.#changed(ref.podUid);
  }

  async imageStatus(image: string, context: CallContext): Promise<string | undefined> {
    return this.#call("imageStatus", context, () =>
      this.#options.images === undefined || this.#options.images.has(image) ? digestOf(image) : undefined,
    );
  }

  async pullImage(image: string, _credentials: unknown, context: CallContext): Promise<string> {
    await this.#options.pull?.(image);
    return this.#call("pullImage", context, () => {
      this.#options.images?.add(image);
      this.#note("pull", { podUid: "", name: image, attempt: 0 });
      return digestOf(image);
    });
  }

  async createSandbox(spec: SandboxSpec, context: CallContext): Promise<RuntimeSandbox> {
    return this.#call("createSandbox", context, () => {
      const { uid } = spec.owner;
      const before = this.#sandboxes.get(uid);
      if (before?.facts.ready === true) return shown(before);
      const { owner, revision, notes } = spec;
      const createdAt = before?.facts.createdAt ?? this.#options.clock.now();
      const facts = { owner, revision, notes, ready: true, createdAt, ips: [`10.1.0.${(++this.#ids % 250) + 1}`] };
      const sandbox: Sandbox = { spec, facts, runs: before?.runs ?? new Map() };
      this.#sandboxes.set(uid, sandbox);
      this.#note("sandbox", { podUid: uid, name: "", attempt: 0 });
      this.#changed(uid);
      return shown(sandbox);
    });
  }

  async updateSandbox(
    podUid: string,
    change: { readonly revision?: string | undefined; readonly notes?: Readonly<Record<string, string>> | undefined },
    context: CallContext,
  ): Promise<void> {
    await this.#call("updateSandbox", context, () => {
      const sandbox = this.#sandbox(podUid);
      const { revision = sandbox.facts.revision, notes } = change;
      sandbox.facts = { ...sandbox.facts, revision, notes: { ...sandbox.facts.notes, ...notes } };
    });
  }

  async stopSandbox(podUid: string, context: CallContext): Promise<void> {
    await this.#call("stopSandbox", context, () => {
      const sandbox = this.#sandboxes.get(podUid);
      if (sandbox === undefined) return;
      sandbox.facts = { ...sandbox.facts, ready: false, ips: [] };
      this.#note("sandboxStopped", { podUid, name: "", attempt: 0 });
      this.#changed(podUid);
    });
  }

  async removeSandbox(podUid: string, context: CallContext): Promise<void> {
    await this.#call("removeSandbox", context, () => {
      const sandbox = this.#sandboxes.get(podUid);
      if (sandbox === undefined) return;
      for (const run of sandbox.runs.values()) {
        if (run.facts.state === "running") this.#kill(run);
      }
      this.#sandboxes.delete(podUid);
      this.#note("sandboxRemoved", { podUid, name: "", attempt: 0 });
      this.#changed(podUid);
    });
  }

  async updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    await this.#call("updateVolumes", context, () => {
      const sandbox = this.#sandbox(podUid);
      sandbox.spec = { ...sandbox.spec, volumes };
      this.#note("volumes", { podUid, name: "", attempt: 0 });
    });
  }

  async createContainer(spec: ContainerSpec, context: CallContext): Promise<void> {
    await this.#call("createContainer", context, () => {
      const sandbox = this.#sandbox(spec.podUid);
      if (!sandbox.facts.ready) throw new VirtualKubeletError("Conflict", "the sandbox is not ready");
      if (sandbox.runs.has(key(spec))) return;
      const { podUid, name, attempt, image, notes } = spec;
      const id = `${podUid}.${name}.${attempt}.${++this.#ids}`;
      const createdAt = this.#options.clock.now();
      sandbox.runs.set(key(spec), {
        spec,
        script: this.#options.script?.(spec) ?? {},
        waiters: [],
        facts: { podUid, name, attempt, id, state: "created", image, imageID: digestOf(image), createdAt, notes },
        cancel: () => {},
        killAt: Number.POSITIVE_INFINITY,
        cancelKill: () => {},
      });
      this.#note("create", spec);
      this.#changed(podUid);
    });
  }

  async startContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    await this.#call("startContainer", context, () => {
      const run = this.#sandbox(ref.podUid).runs.get(key(ref));
      if (run === undefined) throw new VirtualKubeletError("NotFound", "there is no such run");
      if (run.facts.state !== "created") return;
      const { clock } = this.#options;
      run.facts = { ...run.facts, state: "running", startedAt: clock.now() };
      const { exitAfterMs, exitCode = 0 } = run.script;
      if (exitAfterMs !== undefined) run.cancel = clock.schedule(exitAfterMs, () => this.#ended(run, exitCode, {}));
      this.#note("start", ref);
      this.#changed(ref.podUid);
    });
  }

  async stopContainer(
    ref: ContainerRef,
    { gracePeriodSeconds }: { readonly gracePeriodSeconds: number },
    context: CallContext,
  ): Promise<void> {
    const run = await this.#call("stopContainer", context, () => {
      const found = this.#sandboxes.get(ref.podUid)?.runs.get(key(ref));
      if (found?.facts.state === "running") this.#terminate(found, gracePeriodSeconds);
      return found;
    });
    if (run?.facts.state !== "running") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    run.waiters.push(resolve);
    const abort = (): void => reject(VirtualKubeletError.from(context.signal.reason));
    context.signal.addEventListener("abort", abort, { once: true });
    await promise.finally(() => context.signal.removeEventListener("abort", abort));
  }

  async removeContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    await this.#call("removeContainer", context, () => {
      const runs = this.#sandboxes.get(ref.podUid)?.runs;
      if (runs?.get(key(ref))?.facts.state === "running")
        throw new VirtualKubeletError("Conflict", "a running container is not removed");
      if (runs?.delete(key(ref)) === true) this.#note("remove", ref);
      this.#changed(ref.podUid);
    });
  }

  async updateResources(ref: ContainerRef, resources: ResourceRequirements, context: CallContext): Promise<void> {
    await this.#call("updateResources", context, () => {
      this.#options.resize?.(ref, resources);
      this.#note("resize", ref);
    });
  }

  async list(context: CallContext): Promise<readonly RuntimeSandbox[]> {
    return this.#call("list", context, () => [...this.#sandboxes.values()].map(shown));
  }

  async get(podUid: string, context: CallContext): Promise<RuntimeSandbox | undefined> {
    return this.#call("get", context, () => {
      const sandbox = this.#sandboxes.get(podUid);
      return sandbox && shown(sandbox);
    });
  }

  async *events({ signal }: CallContext): AsyncGenerator<string> {
    const changed = new Set<string>();
    let wake = (): void => {};
    const listener = (uid: string): void => {
      changed.add(uid);
      wake();
    };
    const end = (): void => wake();
    this.#listeners.add(listener);
    signal.addEventListener("abort", end, { once: true });
    try {
      while (!signal.aborted) {
        for (const uid of changed) {
          changed.delete(uid);
          yield uid;
        }
        if (changed.size > 0 || signal.aborted) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", end);
    }
  }

  /** What the node reports from now on. */
  node(report: NodeReport): void {
    this.#node = report;
    for (const listener of this.#nodeListeners) listener();
  }

  async *watchNode({ signal }: CallContext): AsyncGenerator<NodeReport> {
    for (let said: NodeReport | undefined; !signal.aborted; ) {
      if (said !== this.#node) {
        said = this.#node;
        yield said;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#nodeListeners.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#nodeListeners.delete(resolve);
    }
  }

  async stats(context: CallContext): Promise<{
    readonly node: NodeStats;
    readonly containers: ReadonlyMap<string, readonly ContainerStats[]>;
  }> {
    return this.#call("stats", context, () => {
      const time = new Date(this.#options.clock.now()).toISOString();
      const containers = [...this.#sandboxes.keys()].map((uid) => {
        const memory = { time, workingSetBytes: this.#options.memoryOf?.(uid) ?? 1024 * 1024 };
        return [uid, this.running(uid).map(({ name }) => ({ name, startTime: time, memory }))] as const;
      });
      return { node: { nodeName: "node", startTime: time }, containers: new Map(containers) };
    });
  }

  async exec(
    ref: ContainerRef,
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult> {
    await this.#call("exec", context, () => this.#note("exec", ref));
    return (await this.#options.exec?.(ref, command, io)) ?? { exitCode: 0 };
  }

  async logs(ref: ContainerRef, _options: unknown, context: CallContext): Promise<ContainerLogs> {
    const run = await this.#call("logs", context, () => this.#sandboxes.get(ref.podUid)?.runs.get(key(ref)));
    if (run === undefined) throw new VirtualKubeletError("NotFound", "there is no such run");
    return { format: "plain", data: once(Buffer.from(run.script.log ?? "", "utf8")) };
  }

  async terminationMessage(ref: ContainerRef, context: CallContext): Promise<string> {
    return this.#call(
      "terminationMessage",
      context,
      () => this.#sandboxes.get(ref.podUid)?.runs.get(key(ref))?.script.terminationMessage ?? "",
    );
  }

  #terminate(run: Run, graceSeconds: number): void {
    const { clock } = this.#options;
    if (graceSeconds <= 0) {
      this.#kill(run);
      return;
    }
    if (run.killAt === Number.POSITIVE_INFINITY) {
      this.#note("term", run.facts, { graceSeconds });
      const { termMs = 0, termExitCode = 143 } = run.script;
      if (Number.isFinite(termMs)) {
        run.cancel();
        run.cancel = clock.schedule(termMs, () => this.#ended(run, termExitCode, {}));
      }
    }
    const killAt = clock.now() + graceSeconds * 1000;
    if (killAt >= run.killAt) return;
    run.killAt = killAt;
    run.cancelKill();
    run.cancelKill = clock.schedule(graceSeconds * 1000, () => this.#kill(run));
  }

  #kill(run: Run): void {
    if (run.facts.state !== "running") return;
    this.#note("kill", run.facts);
    this.#ended(run, 137, {});
  }

  #ended(run: Run, exitCode: number, more: { readonly reason?: string; readonly signal?: number }): void {
    if (run.facts.state !== "running") return;
    run.cancel();
    run.cancelKill();
    run.facts = { ...run.facts, ...more, state: "exited", exitCode, finishedAt: this.#options.clock.now() };
    this.#note("exit", run.facts, { exitCode });
    for (const waiter of run.waiters.splice(0)) waiter();
    this.#changed(run.spec.podUid);
  }

  #sandbox(podUid: string): Sandbox {
    const sandbox = this.#sandboxes.get(podUid);
    if (sandbox === undefined) throw new VirtualKubeletError("NotFound", "there is no such sandbox");
    return sandbox;
  }

  async #call<T>(call: string, { signal }: CallContext, work: () => T): Promise<T> {
    if (signal.aborted) throw VirtualKubeletError.from(signal.reason);
    return this.#options.around === undefined ? work() : await this.#options.around(call, work);
  }

  #note(
    what: JournalEntry["what"],
    { podUid, name, attempt }: ContainerRef,
    more: { readonly exitCode?: number; readonly graceSeconds?: number } = {},
  ): void {
    this.journal.push({ at: this.#options.clock.now(), what, podUid, name, attempt, ...more });
  }

  #changed(uid: string): void {
    for (const listener of this.#listeners) listener(uid);
  }
}

function key({ name, attempt }: ContainerRef): string {
  return `${name}/${attempt}`;
}

function digestOf(image: string): string {
  return `${image}@sha256:0`;
}

function shown({ facts, runs }: Sandbox): RuntimeSandbox {
  return { ...facts, containers: [...runs.values()].map((run) => run.facts) };
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  if (data.length > 0) yield data;
}
