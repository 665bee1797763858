// One page on a pod, for people. Pure.

import type { PodCost } from "../budget/budgets.ts";
import { moneyText } from "../budget/estimate.ts";
import type { ContainerStatus } from "../kube/types.gen.ts";
import { isSidecar } from "../status/restart-policy.ts";
import { renderTable } from "./table.ts";
import { clockText, relative, timeOf } from "./times.ts";
import type { WhyFacts } from "./why-facts.ts";
import { endText } from "./why-failed.ts";
import { timeline } from "./why-timeline.ts";
import { conditionOf, type Verdict } from "./why-verdict.ts";

export function whyText(facts: WhyFacts, { state, cause, next, nextAttempt }: Verdict): string {
  const { pod, now, events } = facts;
  const happenings = timeline(facts);
  const created = timeOf(pod.metadata.creationTimestamp) ?? happenings[0]?.time ?? now;
  const head: [string, string][] = [
    ["why", cause],
    ...(nextAttempt === undefined
      ? []
      : [
          [
            "again",
            nextAttempt > now ? `${relative(nextAttempt, now)}, at about ${clockText(nextAttempt)}` : "due now",
          ] as [string, string],
        ]),
    ...next.map((step, index): [string, string] => [index === 0 ? "do" : "or", step]),
  ];
  const rows = happenings.map(({ time, what }): [string, string] => [
    `${clockText(time)} ${`+${Math.max(0, Math.floor((time - created) / 1000))}s`.padStart(7)}`,
    what,
  ]);
  return [
    `Pod ${pod.metadata.namespace}/${pod.metadata.name} ${state}.\n`,
    renderTable(head),
    `\nTimeline (UTC, seconds since the creation; it is ${clockText(now)}):\n`,
    renderTable(rows),
    ...("fault" in events ? [`  events cannot be read: ${events.fault}\n`] : []),
    "\nContainers:\n",
    renderTable(containerRows(facts)),
    "\nNode:\n",
    renderTable(nodeRows(facts)),
  ].join("");
}

function containerRows({ pod, now }: WhyFacts): [string, string][] {
  const { spec, status = {} } = pod;
  const lists = [
    ...(spec?.initContainers ?? []).map((container) => ({
      container,
      role: isSidecar(container) ? " (sidecar)" : " (init)",
    })),
    ...(spec?.containers ?? []).map((container) => ({ container, role: "" })),
  ];
  const known = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return lists.map(({ container, role }) => {
    const found = known.find(({ name }) => name === container.name);
    return [`${container.name}${role}`, found === undefined ? "nothing is known of it yet" : containerText(found, now)];
  });
}

function containerText({ state = {}, lastState, restartCount, ready }: ContainerStatus, now: number): string {
  const { running, terminated, waiting } = state;
  const begun = timeOf(running?.startedAt);
  const is = running
    ? `runs since ${begun === undefined ? "?" : relative(begun, now)}, ${ready ? "ready" : "not ready"}`
    : terminated
      ? endText(terminated)
      : `waits: ${waiting?.reason ?? "not begun"}`;
  const last = lastState?.terminated;
  return `${is}; ${counted(restartCount)}${last === undefined ? "" : `, last run ${endText(last)}`}`;
}

function nodeRows({ pod, node, lease, onNode, now }: WhyFacts): [string, string][] {
  const name = pod.spec?.nodeName;
  if (!name) return [["node", "none yet"]];
  const rows: [string, string][] = [];
  if (node !== undefined && "value" in node) {
    const ready = node.value === undefined ? undefined : conditionOf(node.value, "Ready");
    rows.push([
      name,
      node.value === undefined
        ? "does not exist"
        : `Ready=${ready?.status ?? "?"} ${ready?.reason ?? ""}, ${node.value.status?.nodeInfo?.containerRuntimeVersion ?? ""}`,
    ]);
  } else rows.push([name, `cannot be read: ${node?.fault ?? ""}`]);
  const renewed = lease !== undefined && "value" in lease ? timeOf(lease.value?.spec?.renewTime) : undefined;
  if (renewed !== undefined) rows.push(["lease", `renewed ${relative(renewed, now)}`]);
  if (onNode === undefined) return rows;
  if ("fault" in onNode) rows.push(["its API", `does not answer through the API server: ${onNode.fault}`]);
  else if (onNode.value === undefined) rows.push(["its API", "does not know this pod"]);
  else {
    const { phase, ready, restarts, cpuMillis, memoryBytes, cost } = onNode.value;
    const usage = [
      ...(cpuMillis === undefined ? [] : [`cpu ${cpuMillis}m`]),
      ...(memoryBytes === undefined ? [] : [`memory ${Math.round(memoryBytes / 2 ** 20)}Mi`]),
    ];
    rows.push([
      "its API",
      `${phase}, ${ready ? "ready" : "not ready"}, ${counted(restarts)}${usage.length === 0 ? "" : `, uses ${usage.join(", ")}`}`,
    ]);
    if (cost !== undefined) rows.push(["its cost", costText(cost)]);
  }
  return rows;
}

function costText({ currency, perHour, soFar, basis }: PodCost): string {
  const spent = soFar === undefined ? "none so far" : `${moneyText(soFar, currency)} so far`;
  return `about ${moneyText(perHour, currency)} per hour, ${spent}: an estimate by the configured prices for ${basis}`;
}

const counted = (restarts: number): string => `${restarts} ${restarts === 1 ? "restart" : "restarts"}`;
