// For output that is no terminal: what is different from one snapshot to the next, a line for each change.
import { printable } from "../printable.ts";
import type { PodRow, Snapshot } from "./rows.ts";
import { milliseconds } from "./view.ts";

export function changeLines(before: Snapshot, after: Snapshot): readonly string[] {
  const lines: string[] = [];
  const nodes = new Map(before.nodes.map((node) => [node.name, node]));
  for (const { name, status, kubeletVersion, capacity } of after.nodes) {
    const was = nodes.get(name);
    nodes.delete(name);
    if (was?.status === status) continue;
    lines.push(`node/${name} ${status}${was === undefined ? ` (${kubeletVersion}, ${capacity})` : ""}`);
  }
  for (const name of nodes.keys()) lines.push(`node/${name} deleted`);

  const pods = new Map(before.pods.map((pod) => [pod.name, pod]));
  for (const pod of after.pods) {
    const was = pods.get(pod.name);
    pods.delete(pod.name);
    if (was === undefined || podText(was) !== podText(pod))
      lines.push(`pod/${pod.name} ${podText(pod)}${took(pod, was)}`);
  }
  for (const name of pods.keys()) lines.push(`pod/${name} deleted`);

  const workloads = new Map(before.workloads.map((each) => [`${each.kind}/${each.name}`, each.progress]));
  for (const { kind, name, progress } of after.workloads) {
    const key = `${kind}/${name}`;
    if (workloads.get(key) !== progress) lines.push(`${key} ${progress}`);
    workloads.delete(key);
  }
  for (const key of workloads.keys()) lines.push(`${key} deleted`);

  const told = new Set(before.events.filter(({ warning }) => warning).map(eventText));
  for (const event of after.events) {
    if (event.warning && !told.has(eventText(event))) lines.push(eventText(event));
  }
  return lines.map(printable);
}

function podText({ status, ready, restarts, ip }: PodRow): string {
  const parts = [status, `${ready} ready`];
  if (restarts > 0) parts.push(`${restarts} restart${restarts === 1 ? "" : "s"}`);
  if (ip !== "") parts.push(ip);
  return parts.join(", ");
}

function took({ startMs }: PodRow, was: PodRow | undefined): string {
  return startMs === undefined || was?.startMs !== undefined ? "" : ` (${milliseconds(startMs)} after it was bound)`;
}

const eventText = ({ about, reason, message }: Snapshot["events"][number]): string =>
  `warning: ${about} ${reason}: ${message}`;
