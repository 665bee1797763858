// Logs as the service gives them: the end of a run's, at most a mebibyte.
import type { FakeGroup } from "./fake-group.ts";
import { incorrectStatus, invalid } from "./fake-refusal.ts";

export interface LogQuery {
  readonly Tail?: number | undefined;
  readonly SinceSeconds?: number | undefined;
  readonly StartTime?: string | undefined;
  readonly LimitBytes?: number | undefined;
  readonly Timestamps?: boolean | undefined;
  readonly LastTime?: boolean | undefined;
}

const mostLines = 2000;
const defaultLines = 500;
const mostBytes = 1024 ** 2;

/** Throws what the cloud refuses with. Where bytes are limited, the beginning is kept, as by the kubelet. */
export async function logOf(group: FakeGroup, name: string, query: LogQuery, now: number): Promise<string> {
  const container = group.container(name);
  if (container === undefined) throw invalid("ContainerName", `there is no container ${name} in ${group.id}`);
  const { Tail = defaultLines, SinceSeconds, StartTime, LimitBytes = mostBytes, Timestamps, LastTime } = query;
  if (Tail < 1 || Tail > mostLines) throw invalid("Tail", `${Tail} is not within 1 to ${mostLines}`);
  if (LimitBytes < 1 || LimitBytes > mostBytes) throw invalid("LimitBytes", `it is not within 1 to ${mostBytes}`);
  const start = StartTime === undefined ? 0 : Date.parse(StartTime);
  if (Number.isNaN(start)) throw invalid("StartTime", `${StartTime} is not of RFC 3339`);
  const all = await group.lines(name);
  const run = all === undefined ? undefined : container.runLines(all, LastTime === true ? "previous" : "present");
  if (run === undefined)
    throw incorrectStatus(
      LastTime === true
        ? `previous terminated container "${name}" in ${group.id} not found`
        : `container "${name}" in ${group.id} is waiting to start`,
    );
  const from = Math.max(start, SinceSeconds === undefined ? 0 : now - SinceSeconds * 1000);
  const lines = run.filter(({ time }) => time >= BigInt(from) * 1_000_000n).slice(-Tail);
  const text = lines.map(({ time, text: line }) => `${Timestamps === true ? `${nanoTime(time)} ` : ""}${line}\n`);
  return Buffer.from(text.join("")).subarray(0, LimitBytes).toString();
}

function nanoTime(time: bigint): string {
  const seconds = new Date(Number(time / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}
