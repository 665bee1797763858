// What is reported of one container of a simulated pod. Pure.
import { createHash } from "node:crypto";
import type { ContainerState, Time } from "../../kube/types.gen.ts";
import type { ContainerReport, PodOwner } from "../../provider/pods.ts";
import type { PodBehaviour } from "./behaviour.ts";
import type { SimulatedContainer } from "./simulated-container.ts";

/** `begins`: the reason with which a container waits for its turn. */
export function containerReport(
  container: SimulatedContainer,
  owner: PodOwner,
  behaviour: PodBehaviour,
  begins: string,
): ContainerReport {
  const running = container.state === "running";
  let state: ContainerState;
  if (running) state = { running: { startedAt: time(container.startedAt) } };
  else if (container.state === "terminated" && container.ended !== undefined) state = { terminated: container.ended };
  else if (container.backingOff) {
    const delay = backOff(behaviour, container.restartsInRow - 1);
    const { namespace, name, uid } = owner;
    const message = `back-off ${delay / 1000}s restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`;
    state = { waiting: { reason: "CrashLoopBackOff", message } };
  } else state = { waiting: { reason: container.role === "ephemeral" ? "ContainerCreating" : begins } };
  const last = container.state === "terminated" ? container.endedBefore : container.ended;
  return {
    name: container.name,
    state,
    ...(last === undefined ? {} : { lastState: { terminated: last } }),
    restartCount: Math.max(0, container.runs - 1),
    image: container.image,
    ...(container.runs === 0 ? {} : { imageID: imageID(container.image), containerID: containerID(owner, container) }),
    ...(running ? { started: true, ready: container.ready } : {}),
  };
}

export function containerID(owner: PodOwner, container: SimulatedContainer): string {
  return runID(owner, container.name, container.runs - 1);
}

/** The containerID of one run; `attempt` from 0 on. */
export function runID({ uid }: PodOwner, container: string, attempt: number): string {
  return `mock://${uid}-${container}-${attempt}`;
}

/** The first restart is immediate, the second waits restartDelay, each further one twice as long as the one before. */
export function backOff(behaviour: PodBehaviour, restarts: number): number {
  if (restarts === 0) return 0;
  return Math.min(behaviour.restartDelay * 2 ** (restarts - 1), behaviour.restartDelayMax);
}

const imageIDs = new Map<string, string>();

function imageID(image: string): string {
  let id = imageIDs.get(image);
  if (id === undefined) {
    id = `${image.replace(/@.*$/, "")}@sha256:${createHash("sha256").update(image).digest("hex")}`;
    // A handful of images in any use of it; a flood of names is no reason to grow.
    if (imageIDs.size < 1000) imageIDs.set(image, id);
  }
  return id;
}

/** Whole seconds, as the API has them. */
export function time(ms: number): Time {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
