// What is wrong with a provider's report by the contract of provider.ts. Pure.
import { isIP } from "node:net";
import type { ContainerState, Pod } from "../kube/types.gen.ts";
import type { ContainerReport, PodReport } from "../provider/pods.ts";

/**
 * The faults of a report, each in a sentence; none: it keeps the contract. `previous` is an earlier report of the same
 * pod, `pod` what it was created from.
 */
export function reportFaults(report: PodReport, pod?: Pod, previous?: PodReport): readonly string[] {
  const faults: string[] = [];
  const { owner } = report;
  for (const key of ["cluster", "node", "namespace", "name", "uid"] as const) {
    if (typeof owner[key] !== "string" || owner[key] === "") faults.push(`owner.${key} is missing`);
  }
  const names = report.containers.map((container) => container.name);
  if (new Set(names).size !== names.length) faults.push(`a container is reported twice: ${names.join(", ")}`);
  const { spec } = pod ?? {};
  const known = [spec?.initContainers, spec?.containers, spec?.ephemeralContainers].flatMap((list) => list ?? []);
  for (const container of report.containers) {
    if (pod !== undefined && !known.some(({ name }) => name === container.name)) {
      faults.push(`container ${container.name} is not of the pod`);
    }
    const before = previous?.containers.find(({ name }) => name === container.name);
    faults.push(...containerFaults(container, before).map((fault) => `container ${container.name}: ${fault}`));
  }
  const ips = report.podIPs ?? [];
  for (const ip of [...ips, ...(report.hostIPs ?? [])]) if (isIP(ip) === 0) faults.push(`${ip} is not an IP address`);
  if (new Set(ips.map(isIP)).size !== ips.length) faults.push(`podIPs ${ips.join(", ")}: more than one of a family`);
  faults.push(...timeFaults("startTime", report.startTime));
  if (previous !== undefined) {
    if (previous.owner.uid !== owner.uid) faults.push(`the UID changed from ${previous.owner.uid} to ${owner.uid}`);
    if (previous.startTime !== undefined && previous.startTime !== report.startTime) faults.push("startTime changed");
  }
  return faults;
}

function containerFaults(container: ContainerReport, before: ContainerReport | undefined): readonly string[] {
  const faults = [...stateFaults("state", container.state)];
  if (container.lastState !== undefined) {
    faults.push(...stateFaults("lastState", container.lastState));
    if (container.lastState.terminated === undefined) faults.push("lastState is not terminated");
  }
  const restarts = container.restartCount ?? 0;
  if (!Number.isInteger(restarts) || restarts < 0) faults.push(`restartCount ${restarts} is not a count`);
  if (before !== undefined && restarts < (before.restartCount ?? 0)) {
    faults.push(`restartCount fell from ${before.restartCount} to ${restarts}`);
  }
  const isRunning = container.state.running !== undefined;
  if (container.ready === true && container.started === false) faults.push("ready, but not started");
  if (container.started === true && !isRunning) faults.push("started, but not running");
  if (container.containerID !== undefined && !/^[^:/]+:\/\/.+$/.test(container.containerID)) {
    faults.push(`containerID ${container.containerID} is not type://id`);
  }
  return faults;
}

function stateFaults(name: string, state: ContainerState): readonly string[] {
  const kinds = (["waiting", "running", "terminated"] as const).filter((kind) => state[kind] !== undefined);
  if (kinds.length !== 1) return [`${name} has ${kinds.length === 0 ? "none" : kinds.join(" and ")} of its kinds`];
  const { running, terminated } = state;
  const faults = [
    ...timeFaults(`${name}.startedAt`, running?.startedAt ?? terminated?.startedAt),
    ...timeFaults(`${name}.finishedAt`, terminated?.finishedAt),
  ];
  if (terminated === undefined) return faults;
  const { exitCode, startedAt, finishedAt } = terminated;
  if (!Number.isInteger(exitCode)) faults.push(`${name}.exitCode ${exitCode} is not an integer`);
  if (startedAt !== undefined && finishedAt !== undefined && Date.parse(finishedAt) < Date.parse(startedAt)) {
    faults.push(`${name} finished at ${finishedAt}, before it started at ${startedAt}`);
  }
  return faults;
}

function timeFaults(name: string, time: string | undefined): readonly string[] {
  if (time === undefined) return [];
  const isTime =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(time) && !Number.isNaN(Date.parse(time));
  return isTime ? [] : [`${name} ${JSON.stringify(time)} is not a time of RFC 3339`];
}
