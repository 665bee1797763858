// Where the runs of containers begin and end in their logs: Nomad keeps one log for all runs of a task. Between two runs, where nothing is
// written, the length is noted, in a variable of Nomad too, so that a program that starts later knows it.
import { type CallContext, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import type { JobWrites } from "./job-writes.ts";
import { runsPath } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import { ownerItem, type VariableOwner } from "./variable-owner.ts";
import type { NomadFile } from "./wire.ts";

type Asked = Pick<NomadClient, "logFiles" | "variable" | "putVariable">;

export type LogStream = "stdout" | "stderr";

/** Bytes from the beginning of what Nomad still has. */
export interface LogRange {
  readonly from: number;
  /** Absent: to the end. */
  readonly to?: number | undefined;
}

/** Files are counted on: one that was written over a size is followed by another, and the first ones go. */
const place = v.object({ file: v.number(), offset: v.number() });
const mark = v.object({ run: v.number(), stdout: place, stderr: place });
const marks = v.array(mark);
type Place = v.InferOutput<typeof place>;
type Mark = v.InferOutput<typeof mark>;

/** Of each container: Kubernetes asks for two runs. */
const most = 3;

export class RunLogs implements AsyncDisposable {
  readonly #client: Asked;
  readonly #owner: VariableOwner;
  readonly #log: Logger;
  /** By job and task, in the order of runs. */
  readonly #marks = new Map<string, Map<string, readonly Mark[]>>();
  readonly #work = new Map<string, Promise<void>>();
  readonly #writes: JobWrites;
  readonly #closing = new AbortController();

  constructor(client: Asked, owner: VariableOwner, log: Logger, writes: JobWrites) {
    this.#client = client;
    this.#owner = owner;
    this.#log = log;
    this.#writes = writes;
  }

  /** Notes the ends of runs after which another is to come. */
  look({ id, containers, annotations }: CloudGroup): void {
    const allocation = annotations?.["backend.virtual-kubelet.io/nomad-allocation"];
    if (allocation === undefined || this.#writes.isGoing(id)) return;
    for (const { name, state, lastState, restartCount = 0 } of containers) {
      if (state.waiting === undefined || lastState?.terminated === undefined) continue;
      const key = `${id}/${name}`;
      const isNoted =
        this.#marks
          .get(id)
          ?.get(name)
          ?.some(({ run }) => run === restartCount) === true;
      if (isNoted || this.#work.has(key) || this.#closing.signal.aborted) continue;
      const context = { signal: this.#closing.signal, log: this.#log };
      const work = this.ended({ id, allocation, task: name, run: restartCount }, context).finally(() =>
        this.#work.delete(key),
      );
      this.#work.set(key, work);
    }
  }

  /** The run has ended just now. Never throws: without it a log is longer than it should be. */
  async ended(
    {
      id,
      allocation,
      task,
      run,
    }: { readonly id: string; readonly allocation: string; readonly task: string; readonly run: number },
    context: CallContext,
  ): Promise<void> {
    try {
      const files = await this.#client.logFiles(allocation, context);
      const known = await this.#known(id, context);
      const found: Mark = { run, stdout: endOf(files, task, "stdout"), stderr: endOf(files, task, "stderr") };
      known.set(task, [...(known.get(task) ?? []).filter((each) => each.run < run), found].slice(-most));
      const Items = Object.fromEntries([...known].map(([name, all]) => [name, JSON.stringify(all)]));
      const variable = { Path: runsPath(id), Items: { ...Items, ...ownerItem(this.#owner) } };
      await this.#writes.write(id, () => this.#client.putVariable(variable, context));
    } catch (error) {
      if (!context.signal.aborted)
        context.log.info({ job: id, task, err: errorText(error) }, "where a run ends in its log is not known");
    }
  }

  /** Of a run whose bounds were not seen: from the last that was seen before it, to the first after. */
  async range(
    {
      id,
      allocation,
      task,
      run,
    }: { readonly id: string; readonly allocation: string; readonly task: string; readonly run: number },
    context: CallContext,
  ): Promise<Readonly<Record<LogStream, LogRange>>> {
    const all = (await this.#known(id, context)).get(task) ?? [];
    const before = all.findLast((each) => each.run < run);
    const after = all.find((each) => each.run >= run);
    if (before === undefined && after === undefined) return { stdout: { from: 0 }, stderr: { from: 0 } };
    const files = await this.#client.logFiles(allocation, context);
    const of = (stream: LogStream): LogRange => ({
      from: before === undefined ? 0 : bytesBefore(files, task, stream, before[stream]),
      ...(after !== undefined && { to: bytesBefore(files, task, stream, after[stream]) }),
    });
    return { stdout: of("stdout"), stderr: of("stderr") };
  }

  /** Jobs that Nomad still has. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#marks.keys()) if (!ids.has(id)) this.#marks.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#work.values());
  }

  async #known(id: string, context: CallContext): Promise<Map<string, readonly Mark[]>> {
    const known = this.#marks.get(id);
    if (known !== undefined) return known;
    const { Items = {} } = (await this.#client.variable(runsPath(id), context)) ?? {};
    const tasks = Object.entries(Items).map(([task, text]) => [task, marksOf(text)] as const);
    const read = new Map(tasks.filter(([, all]) => all.length > 0));
    // Another look may have been quicker.
    const first = this.#marks.get(id) ?? read;
    this.#marks.set(id, first);
    return first;
  }
}

function marksOf(text: string): readonly Mark[] {
  try {
    const found = v.safeParse(marks, JSON.parse(text));
    return found.success ? found.output : [];
  } catch {
    // Somebody else's words.
    return [];
  }
}

/** Those of one stream, with their numbers. */
function filesOf(
  files: readonly NomadFile[],
  task: string,
  stream: LogStream,
): readonly { readonly file: number; readonly size: number }[] {
  const prefix = `${task}.${stream}.`;
  return files.flatMap(({ Name, Size }) => {
    const number = Name.startsWith(prefix) ? Name.slice(prefix.length) : "";
    return /^\d+$/.test(number) ? [{ file: Number(number), size: Size }] : [];
  });
}

function endOf(files: readonly NomadFile[], task: string, stream: LogStream): Place {
  const last = [...filesOf(files, task, stream)].sort((one, other) => one.file - other.file).at(-1);
  return { file: last?.file ?? 0, offset: last?.size ?? 0 };
}

function bytesBefore(files: readonly NomadFile[], task: string, stream: LogStream, { file, offset }: Place): number {
  const all = filesOf(files, task, stream);
  const earlier = all.filter((each) => each.file < file).reduce((sum, { size }) => sum + size, 0);
  // Of a file that is gone nothing is left to be skipped.
  return earlier + (all.some((each) => each.file === file) ? offset : 0);
}
