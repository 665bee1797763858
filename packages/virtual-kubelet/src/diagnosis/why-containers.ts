// What containers of a pod wait for, by their states; the first that holds up the pod. Pure.

import type { ContainerStatus, Event } from "../kube/types.gen.ts";
import { parseDuration } from "../program/duration.ts";
import { timeOf } from "./times.ts";
import type { WhyFacts } from "./why-facts.ts";
import { endAdvice, endText } from "./why-failed.ts";
import { eventTimes } from "./why-timeline.ts";
import type { Verdict } from "./why-verdict.ts";

/** Undefined where nothing is said of containers. */
export function containerVerdict(facts: WhyFacts): Verdict | undefined {
  const { pod } = facts;
  const { initContainerStatuses = [], containerStatuses = [], phase } = pod.status ?? {};
  const all = [...initContainerStatuses, ...containerStatuses];
  for (const status of all) {
    const { reason } = status.state?.waiting ?? {};
    if (reason === undefined || quiet.has(reason)) continue;
    return waiting(status, facts);
  }
  const first = initContainerStatuses.find(({ state, started }) => state?.running && started !== true);
  const isInit = containerStatuses.length > 0 && containerStatuses.every(({ state }) => state?.waiting);
  if (first !== undefined && isInit)
    return {
      state: "is initialising",
      cause: `init container ${first.name} runs; the others wait for its end`,
      next: [`kubectl logs ${pod.metadata.name} -n ${pod.metadata.namespace} -c ${first.name}`],
    };
  if (phase !== "Running") return undefined;
  return unready(facts);
}

/** Said of containers before anything went wrong. */
const quiet: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

const advice: Readonly<Record<string, string>> = {
  CreateContainerConfigError: "make the ConfigMap, Secret or key that the message names; it starts by itself then",
  CreateContainerError: "the back end cannot make the container: correct what the message says",
  RunContainerError: "the back end cannot start the container: compare command and args with what is in the image",
  InvalidImageName: "correct the name of the image",
  ErrImageNeverPull: "the image is not on the node and imagePullPolicy is Never: use IfNotPresent, or bring it there",
  ErrImagePull: "see whether the image's name and tag exist and whether its registry needs imagePullSecrets",
  ImagePullBackOff: "see whether the image's name and tag exist and whether its registry needs imagePullSecrets",
};

/** Where the back end says more than the reason. */
function ownAdvice(message: string): string | undefined {
  if (!message.includes("not among the images of this node")) return undefined;
  return "name the image under images in the configuration of the node's provider, or take one that stands there";
}

function waiting({ name, state, lastState, restartCount }: ContainerStatus, facts: WhyFacts): Verdict {
  const { reason = "", message = "" } = state?.waiting ?? {};
  if (reason === "CrashLoopBackOff") {
    const last = lastState?.terminated;
    const ended = timeOf(last?.finishedAt);
    const pause = parseDuration(/back-off ([\dhms.]+)/.exec(message)?.[1] ?? "");
    return {
      state: "waits to be restarted",
      cause: `container ${name} ${last === undefined ? "ends again and again" : endText(last)}; ${restartCount} ${restartCount === 1 ? "restart" : "restarts"} so far`,
      next: last === undefined ? [] : endAdvice(last, facts.pod, name, true),
      ...(ended === undefined || pause === undefined ? {} : { nextAttempt: ended + pause }),
    };
  }
  const verdict: Verdict = {
    state: "waits for a container to start",
    cause: `container ${name}: ${reason}${message === "" ? "" : `: ${message}`}`,
    next: [ownAdvice(message) ?? advice[reason] ?? "correct what the message says; it is tried again by itself"],
  };
  if (!/^(ErrImagePull|ImagePullBackOff|RegistryUnavailable)$/.test(reason)) return verdict;
  const cause = pullFailure(facts, name);
  const at = cause === undefined ? undefined : timeOf(eventTimes(cause).last);
  return {
    ...verdict,
    cause:
      cause?.message === undefined || reason === "ErrImagePull"
        ? verdict.cause
        : `container ${name}: ${reason}: ${cause.message}`,
    // The kubelet's pause after so many failures.
    ...(cause === undefined || at === undefined
      ? {}
      : { nextAttempt: at + Math.min(300_000, 10_000 * 2 ** Math.min(eventTimes(cause).count - 1, 10)) }),
  };
}

function pullFailure({ events }: WhyFacts, container: string): Event | undefined {
  const all = "value" in events ? events.value : [];
  return all.find(
    ({ reason, message, involvedObject }) =>
      reason === "Failed" &&
      message?.startsWith("Failed to pull image") === true &&
      (involvedObject.fieldPath ?? "").includes(`{${container}}`),
  );
}

function unready({ pod, events }: WhyFacts): Verdict {
  const { conditions = [], containerStatuses = [] } = pod.status ?? {};
  const unready = containerStatuses.find(({ ready }) => !ready);
  if (unready !== undefined) {
    const { name, state } = unready;
    if (state?.terminated)
      return {
        state: "runs in part",
        cause: `container ${name} ${endText(state.terminated)}`,
        next: endAdvice(state.terminated, pod, name),
      };
    const probe = ("value" in events ? events.value : []).find(
      ({ reason, message = "", involvedObject }) =>
        reason === "Unhealthy" &&
        /^(Readiness|Startup)/.test(message) &&
        (involvedObject.fieldPath ?? "").includes(`{${name}}`),
    );
    return {
      state: "runs and is not ready",
      cause: probe?.message === undefined ? `container ${name} is not ready` : `container ${name}: ${probe.message}`,
      next: [
        unready.started === false
          ? "its startup probe has not succeeded yet"
          : "look at what its readiness probe asks and what the container answers",
        `kubectl logs ${pod.metadata.name} -n ${pod.metadata.namespace} -c ${name}`,
      ],
    };
  }
  const gate = (pod.spec?.readinessGates ?? []).find(
    ({ conditionType }) => !conditions.some(({ type, status }) => type === conditionType && status === "True"),
  );
  if (gate !== undefined)
    return {
      state: "runs and is not ready",
      cause: `the condition ${gate.conditionType} of its readiness gates is not True`,
      next: ["look at the controller that sets it"],
    };
  const restarted = containerStatuses.find(({ lastState }) => lastState?.terminated);
  const last = restarted?.lastState?.terminated;
  return {
    state: "runs and is ready",
    cause:
      last === undefined || restarted === undefined
        ? "all its containers run"
        : `all its containers run; before, container ${restarted.name} ${endText(last)}`,
    next: [],
  };
}
