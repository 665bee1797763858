// A task of ECS as a group: facts alone. Pure.
import type { Container, Task } from "@aws-sdk/client-ecs";
import type { ContainerReport } from "@virtual-kubelet/virtual-kubelet";
import { type CloudGroup, revisionOf } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type ContainerFacts, containerView, factsOf, finishedReport, timeText } from "./container-facts.ts";
import type { ContainerRuns } from "./container-runs.ts";
import { containerOfTag, isHelper } from "./names.ts";
import { parseStopReason } from "./stop-reason.ts";
import { taskEvents } from "./task-events.ts";
import { taskFailure } from "./task-failure.ts";
import { type TaskOwner, tagsOf } from "./task-owner.ts";

export interface TaskReport {
  readonly group: CloudGroup;
  /** All main containers have ended and the task goes on: it is to be stopped. */
  readonly isOver: boolean;
}

/** `runsOf`: by all that was seen of a container. */
export function taskReport(
  task: Task,
  { owner, clusterUnknown }: TaskOwner,
  runsOf: (container: Container, facts: ContainerFacts) => ContainerRuns,
): TaskReport {
  const tags = tagsOf(task);
  const containers = (task.containers ?? []).filter(({ name = "" }) => name !== "" && !isHelper(name));
  const initsThrough = containers.every(({ name = "", lastStatus, exitCode }) => {
    return factsOf(name, tags).kind !== "init" || (lastStatus === "STOPPED" && exitCode === 0);
  });
  const views = containers.map((container) => {
    const { name = "" } = container;
    const facts = factsOf(name, tags);
    const waitsForInit = facts.kind !== "init" && !initsThrough;
    return containerView({ task, container, facts, waitsForInit, runs: runsOf(container, facts) });
  });
  const stage = stageOf(task);
  const finished = finishedOnes(tags, (name, facts) => runsOf({ name }, facts));
  // ECS frees the network of a task after its containers have ended: by then all is known.
  const nothingRuns = views.length > 0 && (task.containers ?? []).every(({ lastStatus }) => lastStatus === "STOPPED");
  const hasEnded = stage === "ended" || (stage === "ending" && nothingRuns);
  const failure = hasEnded ? taskFailure(task, views) : undefined;
  const revision = revisionOf(tags);
  const startTime = timeText(task.createdAt);
  const mains = views.filter(({ facts }) => facts.kind === "main");
  // Stopped ones without a code never ran, nor will: what they waited for failed.
  const isOver = mains.length > 0 && mains.every(({ container }) => container.lastStatus === "STOPPED");
  return {
    group: {
      ...{ owner, id: task.taskArn ?? "", stage, containers: [...finished, ...views.map(({ report }) => report)] },
      ...(clusterUnknown === undefined ? {} : { clusterUnknown }),
      ...(revision === undefined ? {} : { revision }),
      podIPs: addresses(task),
      ...(startTime === undefined ? {} : { startTime }),
      ...(failure === undefined ? {} : { failure }),
      events: taskEvents(task, views),
      annotations: annotations(task),
    },
    isOver: isOver && (stage === "running" || stage === "starting"),
  };
}

/** Containers that ended for good in a task of the pod before. */
function finishedOnes(
  tags: Readonly<Record<string, string>>,
  runsOf: (name: string, facts: ContainerFacts) => ContainerRuns,
): readonly ContainerReport[] {
  return Object.keys(tags).flatMap((key) => {
    const name = containerOfTag(key);
    if (name === undefined) return [];
    const facts = factsOf(name, tags);
    return facts.finished === undefined ? [] : [finishedReport(name, facts.finished, runsOf(name, facts))];
  });
}

/** It was deleted, and has ended: ECS shows it for an hour more. */
export function isGone(task: Task): boolean {
  return task.lastStatus === "STOPPED" && parseStopReason(task.stoppedReason ?? "")?.type === "deleted";
}

function stageOf({ lastStatus = "", desiredStatus }: Task): CloudGroup["stage"] {
  if (lastStatus === "STOPPED" || lastStatus === "DELETED") return "ended";
  if (desiredStatus === "STOPPED" || ["DEACTIVATING", "STOPPING", "DEPROVISIONING"].includes(lastStatus))
    return "ending";
  return lastStatus === "RUNNING" ? "running" : "starting";
}

/** IPv4 first. */
function addresses({ attachments = [] }: Task): readonly string[] {
  const details = attachments
    .filter(({ type }) => type === "ElasticNetworkInterface")
    .flatMap((each) => each.details ?? []);
  return ["privateIPv4Address", "privateIPv6Address", "ipv6Address"]
    .flatMap((name) => {
      const value = details.find((detail) => detail.name === name)?.value;
      return value === undefined || value === "" ? [] : [value];
    })
    .slice(0, 2);
}

function annotations(task: Task): Readonly<Record<string, string>> {
  const known = {
    "backend.virtual-kubelet.io/task": task.taskArn,
    "backend.virtual-kubelet.io/task-definition": task.taskDefinitionArn,
    "backend.virtual-kubelet.io/availability-zone": task.availabilityZone,
    "backend.virtual-kubelet.io/capacity-provider": task.capacityProviderName,
  };
  return Object.fromEntries(
    Object.entries(known).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
