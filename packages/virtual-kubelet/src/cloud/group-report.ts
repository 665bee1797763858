// What is reported of a pod on a cloud: the cloud's facts, with what probes and hooks of ours found. Pure.
import type { RunResults } from "../engine/probe-results.ts";
import type { Container, Pod } from "../kube/types.gen.ts";
import type { ContainerReport, PodReport } from "../provider/pods.ts";
import type { CloudBackend } from "./cloud-backend.ts";
import type { GroupEntry } from "./group-entry.ts";

export type ResultsOf = (name: string, attempt: number) => RunResults | undefined;

export function groupReport(entry: GroupEntry, backend: CloudBackend, results: ResultsOf): PodReport {
  const { owner, request, group, ending } = entry;
  const revision = revisionOf(entry, backend);
  const failure =
    group?.failure ?? (ending?.why === "stopped" && group?.stage === "ended" ? ending.failure : undefined);
  return {
    owner,
    ...(group?.clusterUnknown === undefined || request !== undefined ? {} : { clusterUnknown: true }),
    ...(revision === undefined ? {} : { revision }),
    containers: shown(entry).map((container) => merged(container, entry, backend, results)),
    ...(group?.podIPs === undefined || group.podIPs.length === 0 ? {} : { podIPs: group.podIPs }),
    ...(group?.startTime === undefined ? {} : { startTime: group.startTime }),
    ...(failure === undefined ? {} : { failure }),
    ...(group?.annotations === undefined ? {} : { annotations: group.annotations }),
  };
}

/** "" asks for the request. A cloud that keeps what it was created with has all that was asked for since, as far as it can. */
function revisionOf({ request, group, ending }: GroupEntry, backend: CloudBackend): string | undefined {
  if (request === undefined) return ending === undefined ? "" : undefined;
  return backend.updateMetadata === undefined ? request.revision : (group?.revision ?? request.revision);
}

/** What the cloud does not show yet waits. */
function shown({ request, group, ended }: GroupEntry): readonly ContainerReport[] {
  const found = (group?.containers ?? []).map((report) => lastWanted(report, ended.get(report.name)));
  const waiting = (request?.pod.spec?.containers ?? []).flatMap(({ name }): ContainerReport[] =>
    found.some((report) => report.name === name) ? [] : [{ name, state: { waiting: { reason: "ContainerCreating" } } }],
  );
  return waiting.length === 0 ? found : [...found, ...waiting];
}

/** The run that was told to end, where the cloud has begun another one since. */
function lastWanted(report: ContainerReport, attempt: number | undefined): ContainerReport {
  const { lastState, restartCount = 0 } = report;
  if (attempt === undefined || restartCount <= attempt || lastState?.terminated === undefined) return report;
  return { ...report, state: lastState, lastState: undefined, restartCount: attempt };
}

function merged(
  report: ContainerReport,
  { request, postStarted }: GroupEntry,
  backend: CloudBackend,
  results: ResultsOf,
): ContainerReport {
  const container = containerOf(request?.pod, report.name);
  if (report.state.running === undefined || container === undefined) return report;
  const attempt = report.restartCount ?? 0;
  const native = backend.nativeProbes(container);
  const found = results(report.name, attempt);
  const hook = postStarted.get(report.name);
  const hooked = hook?.attempt !== attempt || hook.state === "done";
  const isOurs = (type: "startup" | "readiness"): boolean =>
    container[`${type}Probe`] !== undefined && !native.includes(type);
  const started = (isOurs("startup") ? found?.startup === "success" : (report.started ?? true)) && hooked;
  const ready = isOurs("readiness") ? found?.readiness === "success" : (report.ready ?? true);
  return { ...report, started, ready: started && ready };
}

export function containerOf(pod: Pod | undefined, name: string): Container | undefined {
  const { containers = [], initContainers = [] } = pod?.spec ?? {};
  return [...containers, ...initContainers].find((container) => container.name === name);
}
