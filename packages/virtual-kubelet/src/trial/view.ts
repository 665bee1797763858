// The view as lines of text: node, workloads, a table of the pods, the latest events. Pure: the same snapshot, the same lines.
import { printable } from "../printable.ts";
import type { Snapshot } from "./rows.ts";

export type Style = "bold" | "dim" | "green" | "yellow" | "red";
/** Makes text bold or coloured, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

export interface ViewOptions {
  readonly now: number;
  /** Most lines; pods and events are left out beyond. Default: no limit. */
  readonly height?: number | undefined;
  /** Longest line. Default: no limit. */
  readonly width?: number | undefined;
  readonly paint: Paint;
}

const mostEvents = 6;
const mostNodes = 4;

export function viewLines(snapshot: Snapshot, options: ViewOptions): readonly string[] {
  const { paint } = options;
  const height = options.height ?? Number.POSITIVE_INFINITY;
  const head = headLines(snapshot, options);
  // Lines for what is always there: the head, an empty line and the table's own heading, and the same for the events.
  const eventCount = Math.max(0, Math.min(mostEvents, Math.floor((height - head.length - 4) / 3)));
  const events = eventCount === 0 ? [] : snapshot.events.slice(-eventCount);
  const left = height - head.length - 2 - (events.length === 0 ? 0 : events.length + 2);
  const lines = [...head, "", ...podLines(snapshot, Math.max(1, left), options)];
  if (events.length > 0) {
    lines.push("", paint("bold", clip("EVENTS", options)));
    for (const { at, warning, about, reason, message } of events) {
      const text = clip(`${clockTime(at)}  ${about}  ${reason}: ${message}`, options);
      lines.push(warning ? paint("yellow", text) : text);
    }
  }
  return lines.slice(0, height);
}

function headLines({ nodes, workloads, pods }: Snapshot, options: ViewOptions): string[] {
  const { paint, now } = options;
  const lines: string[] = [];
  if (nodes.length === 0) lines.push(clip("node is not registered yet", options));
  const shown = nodes.length <= mostNodes ? nodes : nodes.slice(0, mostNodes - 1);
  for (const node of shown) {
    const text = `node/${node.name}  ${node.status}  ${age(now - node.createdAt)}  ${node.kubeletVersion}  ${node.runtime}  ${node.capacity}`;
    const line = clip(text, options);
    lines.push(line.replace(node.status, paint(node.status === "Ready" ? "green" : "yellow", node.status)));
  }
  const rest = nodes.slice(shown.length);
  if (rest.length > 0) lines.push(clip(`${rest.length} more nodes: ${countByStatus(rest)}`, options));
  for (const { kind, name, progress, done } of workloads) {
    const line = clip(`${kind}/${name}  ${progress}`, options);
    lines.push(done ? line.replace(progress, paint("green", progress)) : line);
  }
  const times = pods.map(({ startMs }) => startMs).filter((time) => time !== undefined);
  if (times.length > 0) lines.push(clip(startTimes(times), options));
  return lines;
}

function startTimes(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const count = `${times.length} pod${times.length === 1 ? "" : "s"}`;
  return `from bound to Running: median ${milliseconds(median)}, longest ${milliseconds(sorted.at(-1) ?? 0)} (${count})`;
}

/** The longest last: a narrow terminal cuts them off. */
const headings = ["POD", "STATUS", "READY", "RESTARTS", "AGE", "TO RUNNING", "IP", "NODE"] as const;

/** At most so many lines below the heading; the oldest are counted in one line. */
function podLines({ pods, nodes }: Snapshot, most: number, options: ViewOptions): readonly string[] {
  const shown = pods.length <= most ? pods : pods.slice(pods.length - most + 1);
  const rest = pods.slice(0, pods.length - shown.length);
  const several = nodes.length > 1;
  const cells = shown.map(({ name, status, ready, restarts, createdAt, ip, node, startMs }) => [
    name,
    status,
    ready,
    String(restarts),
    age(options.now - createdAt),
    startMs === undefined ? "" : milliseconds(startMs),
    ip,
    ...(several ? [node] : []),
  ]);
  const titles = several ? headings : headings.slice(0, -1);
  const widths = titles.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    clip(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
      options,
    );
  const lines = [options.paint("bold", line(titles))];
  if (rest.length > 0) lines.push(clip(`${rest.length} older: ${countByStatus(rest)}`, options));
  for (const [index, row] of cells.entries()) {
    const status = shown[index]?.status ?? "";
    const style = styleOf(status);
    lines.push(style === undefined ? line(row) : line(row).replace(` ${status} `, ` ${options.paint(style, status)} `));
  }
  if (pods.length === 0) lines.push("none yet");
  return lines;
}

function countByStatus(rows: readonly { readonly status: string }[]): string {
  const counts = new Map<string, number>();
  for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
}

function styleOf(status: string): Style | undefined {
  if (status === "Running") return "green";
  if (status === "Succeeded") return "dim";
  if (status === "Failed") return "red";
  return "yellow";
}

/** All text of others goes through here. */
function clip(raw: string, { width }: ViewOptions): string {
  const text = printable(raw);
  return width === undefined || text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** As kubectl shows it: 5s, 2m10s, 3h5m. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes}m${seconds % 60}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function clockTime(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toTimeString().slice(0, 8) : "--:--:--";
}
