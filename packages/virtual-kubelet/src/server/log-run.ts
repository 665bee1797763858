// Which run of a container a log is asked of, or why there is none, from the pod's spec and status; and whether that run
// has ended since. Pure.
import type { Pod } from "../kube/types.gen.ts";
import { containerSpec, containerStatus } from "./container-target.ts";
import type { LogRefusal } from "./log-options.ts";

/** One run of a container. */
export interface ContainerRun {
  /** Of the pod. */
  readonly uid: string | undefined;
  /** It ran when it was looked at. */
  readonly running: boolean;
  /** The container is between two runs: this is the one that ended last. */
  readonly waiting: boolean;
  /** "" when the backend has none. */
  readonly containerID: string;
  readonly restartCount: number;
}

export type FoundRun =
  | { readonly run: ContainerRun; readonly refusal?: undefined }
  | { readonly run?: undefined; readonly refusal: LogRefusal };

/** 404 when there is no such pod on the node or no such container, of any kind, in it. */
export function missing(pod: Pod | undefined, name: string, container: string): LogRefusal | undefined {
  if (pod === undefined) return { status: 404, text: `pod ${quoted(name)} does not exist` };
  if (containerSpec(pod, container) !== undefined) return undefined;
  return { status: 404, text: `container ${quoted(container)} not found in pod ${quoted(name)}` };
}

/** The run whose log is meant: the present one, the one before it, or the last that ended. 400 when there was none. */
export function findRun(pod: Pod, container: string, previous: boolean): FoundRun {
  const name = pod.metadata?.name ?? "";
  const where = `container ${quoted(container)} in pod ${quoted(name)}`;
  const refuse = (text: string): FoundRun => ({ refusal: { status: 400, text } });
  const status = containerStatus(pod, container);
  if (status === undefined) return refuse(`${where} is not available`);
  const { waiting, running, terminated } = status.state ?? {};
  const last = status.lastState?.terminated;
  const run = (containerID: string | undefined, restartCount = status.restartCount): FoundRun => ({
    run: {
      uid: pod.metadata?.uid,
      running: !previous && Boolean(running),
      waiting: !previous && !running && !terminated,
      containerID: containerID ?? "",
      restartCount,
    },
  });
  if (previous) {
    // Between two runs the one that ended last is the previous one, too: nothing has restarted after it.
    const restartCount = running || terminated ? status.restartCount - 1 : status.restartCount;
    return last ? run(last.containerID, restartCount) : refuse(noPrevious(name, container));
  }
  if (running) return run(status.containerID);
  if (terminated) return run(terminated.containerID || last?.containerID);
  if (last) return run(last.containerID);
  switch (waiting?.reason) {
    case undefined:
      return refuse(`${where} is waiting to start${waiting ? ": " : " - no logs yet"}`);
    case "ErrImagePull":
      return refuse(`${where} is waiting to start: image can't be pulled`);
    case "ImagePullBackOff":
      return refuse(`${where} is waiting to start: trying and failing to pull image`);
    default:
      return refuse(`${where} is waiting to start: ${waiting?.reason ?? ""}`);
  }
}

/** What is said when the backend has no log of a run that the status tells of. */
export function notKept(pod: Pod, container: string, previous: boolean, run: ContainerRun): LogRefusal {
  const name = pod.metadata?.name ?? "";
  if (previous) return { status: 400, text: noPrevious(name, container) };
  if (run.containerID !== "") {
    return { status: 400, text: `unable to retrieve container logs for ${run.containerID}` };
  }
  const state = run.running ? "not available" : "terminated";
  return { status: 400, text: `container ${quoted(container)} in pod ${quoted(name)} is ${state}` };
}

/** Has this run ended, or been followed by another, or is its pod gone or another one of the same name? */
export function hasEnded(run: ContainerRun, pod: Pod | undefined, container: string): boolean {
  if (!run.running || pod === undefined || pod.metadata?.uid !== run.uid) return true;
  if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return true;
  const status = containerStatus(pod, container);
  if (!status?.state?.running || status.restartCount !== run.restartCount) return true;
  const containerID = status.containerID ?? "";
  return containerID !== "" && run.containerID !== "" && containerID !== run.containerID;
}

/** How many runs of the container have begun after this one, as far as is known; undefined when its pod is gone. */
export function runsSince(run: ContainerRun, pod: Pod | undefined, container: string): number | undefined {
  if (pod === undefined || pod.metadata?.uid !== run.uid) return undefined;
  const status = containerStatus(pod, container);
  if (status === undefined) return 0;
  // A restart may be counted before the next run has begun.
  const { containerID } = status.lastState?.terminated ?? {};
  if (status.state?.waiting && run.containerID !== "" && containerID === run.containerID) return 0;
  return Math.max(0, status.restartCount - run.restartCount);
}

function noPrevious(pod: string, container: string): string {
  return `previous terminated container ${quoted(container)} in pod ${quoted(pod)} not found`;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}
