// A container runtime that is all in memory and in the time of a Clock: containers are scripts that run, end and heed TERM
// as told. Survives the engine over it, keeps a journal, and lets tests put delays and failures around each call.
import type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  PulledImage,
  RuntimeContainer,
  RuntimeSandbox,
  RuntimeStats,
  SandboxSpec,
} from "../engine/container-runtime.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { ResourceRequirements } from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import type { ContainerIO, ContainerLogs, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { ImageCredential, ResolvedVolume } from "../resolved-pod.ts";
import { digestOf, MemoryRun, type MemorySandbox, once, shown } from "./memory-run.ts";
import type { JournalDetail, JournalEntry, MemoryRuntimeOptions } from "./memory-runtime-options.ts";
import { KeyStream, ValueStream } from "./memory-streams.ts";

export type { RunScript } from "./memory-run.ts";
export type { JournalEntry, MemoryRuntimeOptions } from "./memory-runtime-options.ts";

export class MemoryRuntime implements ContainerRuntime {
  readonly type = "memory";
  readonly journal: JournalEntry[] = [];
  readonly #options: MemoryRuntimeOptions;
  readonly #sandboxes = new Map<string, MemorySandbox>();
  readonly #changes = new KeyStream();
  readonly #node = new ValueStream<NodeReport>({});
  #ids = 0;

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
    run?.end(exitCode, more);
  }

  /** The host was restarted: nothing runs, and no sandbox is ready. */
  restartHost(): void {
    for (const sandbox of this.#sandboxes.values()) {
      for (const run of sandbox.runs.values()) run.end(137);
      sandbox.facts = { ...sandbox.facts, ready: false };
      this.#changes.add(sandbox.spec.owner.uid);
    }
  }

  /** A run vanishes, and nobody knows how it ended. */
  vanish(ref: ContainerRef): void {
    const sandbox = this.#sandboxes.get(ref.podUid);
    const run = sandbox?.runs.get(key(ref));
    if (run === undefined) return;
    run.end(137);
    sandbox?.runs.delete(key(ref));
    this.#changes.add(ref.podUid);
  }

  async imageStatus(image: string, context: CallContext): Promise<string | undefined> {
    return this.#call("imageStatus", context, () =>
      this.#options.images === undefined || this.#options.images.has(image) ? digestOf(image) : undefined,
    );
  }

  async pullImage(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<PulledImage> {
    const told = await this.#options.pull?.(image, credentials);
    return this.#call("pullImage", context, () => {
      this.#options.images?.add(image);
      this.#note("pull", { podUid: "", name: image, attempt: 0 });
      return { reference: digestOf(image), ...told };
    });
  }

  async mayUseImage(image: string, credentials: readonly ImageCredential[]): Promise<boolean> {
    return this.#options.mayUse?.(image, credentials) ?? true;
  }

  async freeDisk(): Promise<number> {
    return this.#options.freeDisk?.() ?? 0;
  }

  async createSandbox(spec: SandboxSpec, context: CallContext): Promise<RuntimeSandbox> {
    return this.#call("createSandbox", context, () => {
      const { uid } = spec.owner;
      const before = this.#sandboxes.get(uid);
      if (before?.facts.ready === true) return shown(before);
      const { owner, revision, notes } = spec;
      const createdAt = before?.facts.createdAt ?? this.#options.clock.now();
      const facts = { owner, revision, notes, ready: true, createdAt, ips: [`10.1.0.${(++this.#ids % 250) + 1}`] };
      const sandbox: MemorySandbox = { spec, facts, runs: before?.runs ?? new Map() };
      this.#sandboxes.set(uid, sandbox);
      this.#note("sandbox", { podUid: uid, name: "", attempt: 0 });
      this.#changes.add(uid);
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
      this.#changes.add(podUid);
    });
  }

  async removeSandbox(podUid: string, context: CallContext): Promise<void> {
    await this.#call("removeSandbox", context, () => {
      const sandbox = this.#sandboxes.get(podUid);
      if (sandbox === undefined) return;
      for (const run of sandbox.runs.values()) run.kill();
      this.#sandboxes.delete(podUid);
      this.#note("sandboxRemoved", { podUid, name: "", attempt: 0 });
      this.#changes.add(podUid);
    });
  }

  async updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    await this.#call("updateVolumes", context, () => {
      const sandbox = this.#sandbox(podUid);
      sandbox.spec = { ...sandbox.spec, volumes };
      this.#note("volumes", { podUid, name: "", attempt: 0 });
    });
  }

  async readVolumeFile(podUid: string, volume: string, path: string, context: CallContext): Promise<Uint8Array> {
    return this.#call("readVolumeFile", context, () => {
      this.#sandbox(podUid);
      const text = this.#options.volumeFiles?.get(`${volume}/${path}`);
      if (text === undefined) throw new VirtualKubeletError("NotFound", "there is no such file");
      return Buffer.from(text, "utf8");
    });
  }

  async createContainer(spec: ContainerSpec, context: CallContext): Promise<void> {
    await this.#call("createContainer", context, () => {
      const sandbox = this.#sandbox(spec.podUid);
      if (!sandbox.facts.ready) throw new VirtualKubeletError("Conflict", "the sandbox is not ready");
      if (sandbox.runs.has(key(spec))) return;
      const { podUid, name, attempt, image, notes } = spec;
      const { clock, script } = this.#options;
      const facts = {
        ...{ podUid, name, attempt, image, notes },
        id: `${podUid}.${name}.${attempt}.${++this.#ids}`,
        state: "created" as const,
        imageID: digestOf(image),
        createdAt: clock.now(),
      };
      const happened = (what: "term" | "kill" | "exit", more?: JournalDetail): void => {
        this.#note(what, spec, more);
        if (what === "exit") this.#changes.add(podUid);
      };
      sandbox.runs.set(key(spec), new MemoryRun({ clock, spec, facts, script: script?.(spec) ?? {}, happened }));
      this.#note("create", spec);
      this.#changes.add(podUid);
    });
  }

  async startContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    await this.#call("startContainer", context, () => {
      const run = this.#sandbox(ref.podUid).runs.get(key(ref));
      if (run === undefined) throw new VirtualKubeletError("NotFound", "there is no such run");
      if (run.facts.state !== "created") return;
      run.start();
      this.#note("start", ref);
      this.#changes.add(ref.podUid);
    });
  }

  async stopContainer(
    ref: ContainerRef,
    { gracePeriodSeconds, signal }: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
    context: CallContext,
  ): Promise<void> {
    const run = await this.#call("stopContainer", context, () => {
      const found = this.#sandboxes.get(ref.podUid)?.runs.get(key(ref));
      found?.terminate(gracePeriodSeconds, signal);
      return found;
    });
    await run?.ended(context.signal);
  }

  async removeContainer(ref: ContainerRef, context: CallContext): Promise<void> {
    await this.#call("removeContainer", context, () => {
      const runs = this.#sandboxes.get(ref.podUid)?.runs;
      if (runs?.get(key(ref))?.facts.state === "running")
        throw new VirtualKubeletError("Conflict", "a running container is not removed");
      if (runs?.delete(key(ref)) === true) this.#note("remove", ref);
      this.#changes.add(ref.podUid);
    });
  }

  async updateResources(
    ref: ContainerRef,
    resources: ResourceRequirements,
    _: ResourceRequirements,
    context: CallContext,
  ): Promise<void> {
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

  events({ signal }: CallContext): AsyncIterable<string> {
    return this.#changes.read(signal);
  }

  /** What the node reports from now on. */
  node(report: NodeReport): void {
    this.#node.set(report);
  }

  watchNode({ signal }: CallContext): AsyncIterable<NodeReport> {
    return this.#node.read(signal);
  }

  async stats(context: CallContext): Promise<RuntimeStats> {
    return this.#call("stats", context, () => {
      const time = new Date(this.#options.clock.now()).toISOString();
      const containers = [...this.#sandboxes.keys()].map((uid) => {
        const memory = { time, workingSetBytes: this.#options.memoryOf?.(uid) ?? 1024 * 1024 };
        return [uid, this.running(uid).map(({ name }) => ({ name, startTime: time, memory }))] as const;
      });
      const pods = [...this.#sandboxes.keys()].map((uid) => [uid, this.#options.storageOf?.(uid) ?? {}] as const);
      return { node: { nodeName: "node", startTime: time }, containers: new Map(containers), pods: new Map(pods) };
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

  #sandbox(podUid: string): MemorySandbox {
    const sandbox = this.#sandboxes.get(podUid);
    if (sandbox === undefined) throw new VirtualKubeletError("NotFound", "there is no such sandbox");
    return sandbox;
  }

  async #call<T>(call: string, { signal }: CallContext, work: () => T): Promise<T> {
    if (signal.aborted) throw VirtualKubeletError.from(signal.reason);
    return this.#options.around === undefined ? work() : await this.#options.around(call, work);
  }

  #note(what: JournalEntry["what"], { podUid, name, attempt }: ContainerRef, more: JournalDetail = {}): void {
    this.journal.push({ at: this.#options.clock.now(), what, podUid, name, attempt, ...more });
  }
}

function key({ name, attempt }: ContainerRef): string {
  return `${name}/${attempt}`;
}
