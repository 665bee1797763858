// One container of a group on a test's engine: started, ended, looked into.
import { existsSync, readFileSync } from "node:fs";
import type { ContainerDetails, EngineClient } from "../../packages/provider-containers/src/engine/engine-client.ts";
import { attachToContainer } from "../../packages/provider-containers/src/streams/attach.ts";
import { execInContainer } from "../../packages/provider-containers/src/streams/exec.ts";
import { execByRuntime, isRunHere } from "../../packages/provider-containers/src/streams/exec-by-runtime.ts";
import { isErrorKind, VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { cgroupFigures, cgroupMounts, processGroups } from "../../packages/virtual-kubelet/src/host/cgroup-figures.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";
import type { ContainerIO } from "../../packages/virtual-kubelet/src/provider/streams.ts";
import type {
  RunnerContainer,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
} from "../../packages/virtual-kubelet/src/testing/group-runner.ts";

const callMs = 60_000;

export class PodmanGroupContainer {
  readonly id: string;
  state: RunnerState = { state: "created", restarts: 0 };
  readonly #client: EngineClient;
  readonly #spec: RunnerContainer;
  #killed = false;
  #isStarting = false;
  #ending = Promise.withResolvers<RunnerState>();

  constructor(client: EngineClient, id: string, spec: RunnerContainer) {
    this.#client = client;
    this.id = id;
    this.#spec = spec;
  }

  async start(): Promise<void> {
    const { state, restarts } = this.state;
    if (state === "running") return;
    const signal = AbortSignal.timeout(callMs);
    const again = state === "exited";
    this.#killed = false;
    if (again) this.#ending = Promise.withResolvers<RunnerState>();
    // The engine says when it has noted the start: the first lines of the log may be older.
    this.state = { state: "running", restarts: restarts + (again ? 1 : 0), startedAt: Date.now() };
    this.#isStarting = true;
    try {
      await this.#client.startContainer(this.id, { signal });
    } catch (error) {
      this.state = { state, restarts };
      throw error;
    } finally {
      this.#isStarting = false;
    }
    await this.look(signal);
  }

  /** Takes what the engine says of its end. */
  async look(signal: AbortSignal): Promise<void> {
    if (this.state.state !== "running") return;
    const run = this.#ending;
    const found = await this.#inspected(signal);
    // What is said of the run before is none of this one's.
    if (this.#isStarting || this.#ending !== run) return;
    if (found === undefined) {
      // Removed while somebody still looks: nobody else tells its end any more.
      this.#hasEnded({ exitCode: 137, finishedAt: Date.now() });
      return;
    }
    const { finishedAt, exitCode, oomKilled, running, state } = found;
    if (running || !["exited", "stopped", "dead"].includes(state)) return;
    // Of version 1 of control groups Podman does not tell it: who was killed by nobody of us was killed for its memory.
    const oom = oomKilled || (exitCode === 137 && !this.#killed && this.#spec.memoryLimit !== undefined);
    this.#hasEnded({
      ...{ exitCode, finishedAt: Math.max(finishedAt ?? Date.now(), this.state.startedAt ?? 0) },
      ...(oom ? { oomKilled: true } : {}),
    });
  }

  #hasEnded(how: Pick<RunnerState, "exitCode" | "finishedAt" | "oomKilled">): void {
    // Two may have looked at once.
    if (this.state.state !== "running") return;
    this.state = { ...this.state, ...how, state: "exited" };
    this.#ending.resolve(this.state);
  }

  async ended(): Promise<RunnerState> {
    return await this.#ending.promise;
  }

  async stop(graceMs: number): Promise<void> {
    if (this.state.state !== "running") return;
    const signal = AbortSignal.timeout(callMs + graceMs);
    this.#killed = true;
    if (graceMs <= 0) await this.#client.killContainer(this.id, "KILL", { signal });
    else {
      const { stopSignal } = this.#spec;
      await this.#client.stopContainer(this.id, Math.ceil(graceMs / 1000), { signal, stopSignal });
    }
    await this.look(signal);
    await this.ended();
  }

  /** As of a shell, 127 where there is no such command. */
  async exec(command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    const context = { signal, log: silentLogger };
    try {
      // The runtime is much quicker than the engine, and leaves no process behind; it has no terminals for us.
      const byRuntime = !io.tty && isRunHere(this.id);
      const { exitCode } = byRuntime
        ? await execByRuntime(this.id, command, io, context)
        : await execInContainer(this.#client, this.id, command, io, context);
      return exitCode;
    } catch (error) {
      if (!isErrorKind(error, "Invalid")) throw error;
      (io.tty ? io.stdout : (io.stderr ?? io.stdout))?.write(`${VirtualKubeletError.from(error).message}\n`);
      return 127;
    }
  }

  async attach(io: ContainerIO, signal: AbortSignal): Promise<void> {
    const details = await this.#client.inspectContainer(this.id, { signal });
    await attachToContainer(this.#client, details, io, { signal, log: silentLogger });
  }

  async logs(): Promise<readonly RunnerLogLine[]> {
    const details = await this.#inspected();
    if (details === undefined || this.state.state === "created") return [];
    try {
      return criLines(readFileSync(details.logPath, "utf8"));
    } catch (error) {
      if ((await this.#inspected()) === undefined) return [];
      throw error;
    }
  }

  async stats(): Promise<RunnerStats> {
    const { pid = 0 } = (await this.#inspected()) ?? {};
    const mounts = cgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
    const processPath = `/proc/${pid}/cgroup`;
    if (pid === 0 || !existsSync(processPath)) return { cpuNanoseconds: 0, memoryBytes: 0 };
    const { cpuNanoseconds = 0, workingSetBytes = 0 } = cgroupFigures(
      processGroups(readFileSync(processPath, "utf8"), mounts),
    );
    return { cpuNanoseconds, memoryBytes: workingSetBytes };
  }

  /** Undefined when it was removed while somebody still asks. */
  async #inspected(signal: AbortSignal = AbortSignal.timeout(callMs)): Promise<ContainerDetails | undefined> {
    try {
      return await this.#client.inspectContainer(this.id, { signal });
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

/** Pure. Parts of a line are put together; what has no end yet is left out. */
function criLines(text: string): readonly RunnerLogLine[] {
  const lines: RunnerLogLine[] = [];
  const open = { stdout: "", stderr: "" };
  for (const [, seconds = "", fraction = "", zone = "", stream, tag, part = ""] of text.matchAll(
    /^(\S+?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP])\S* ?(.*)$/gm,
  )) {
    if (stream !== "stdout" && stream !== "stderr") continue;
    open[stream] += part;
    if (tag === "P") continue;
    const time = BigInt(Date.parse(`${seconds}${zone}`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
    lines.push({ time, stream, text: open[stream] });
    open[stream] = "";
  }
  return lines;
}
