// What Nomad tells of tasks, and of why a job has no place, as events of a pod. Pure.
import type { CloudEvent } from "@virtual-kubelet/virtual-kubelet/cloud";
import { isPullFailure, isStartFailure, messageOf } from "./task-report.ts";
import type { NomadAllocation, NomadTaskEvent } from "./wire.ts";

export function allocationEvents({ TaskStates }: Pick<NomadAllocation, "TaskStates">): readonly CloudEvent[] {
  return Object.entries(TaskStates ?? {}).flatMap(([container, { Events }]) =>
    (Events ?? []).map((event): CloudEvent => {
      const { Type, Time } = event;
      return {
        key: `${Type}/${container}/${Time}`,
        time: Math.floor(Time / 1_000_000),
        ...told(event, container),
        container,
      };
    }),
  );
}

function told(event: NomadTaskEvent, name: string): Pick<CloudEvent, "eventType" | "reason" | "message"> {
  const message = messageOf(event);
  const { Type } = event;
  const warning = (reason: string, text = message) => ({ eventType: "Warning" as const, reason, message: text });
  const normal = (reason: string, text = message) => ({ eventType: "Normal" as const, reason, message: text });
  if (Type === "Started") return normal("Started", `Started container ${name}`);
  if (Type === "Driver" && /download|pull/i.test(message)) return normal("Pulling");
  if (isPullFailure(event)) return warning("Failed", `Failed to pull image of container ${name}: ${message}`);
  if (isStartFailure(event)) return warning("Failed", `Error: ${message}`);
  if (Type === "Restarting") return warning("BackOff", `Back-off restarting failed container ${name}: ${message}`);
  if (Type === "Killing") return normal("Killing", `Stopping container ${name}: ${message}`);
  if (Type === "Sibling Task Failed") return warning("SiblingTaskFailed");
  if (Type === "Terminated" && event.Details?.["oom_killed"] === "true")
    return warning("OOMKilling", `Container ${name} was ended for want of memory: ${message}`);
  return normal(Type.replaceAll(/[^A-Za-z0-9]/g, "") || "Nomad");
}
