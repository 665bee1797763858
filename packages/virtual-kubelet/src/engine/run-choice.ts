// Which run of a container a call of the kubelet API means. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { ContainerRef, RuntimeContainer } from "./container-runtime.ts";
import { refOf } from "./plan-kill.ts";

/** The run that was reported by this containerID. Throws NotFound. */
export function runByID(runs: readonly RuntimeContainer[], container: string, containerID: string): ContainerRef {
  const id = containerID.slice(containerID.indexOf("://") + "://".length);
  const run = runs.find((each) => each.name === container && each.id === id);
  if (run === undefined)
    throw new VirtualKubeletError("NotFound", `there is no run ${containerID} of container ${container}`);
  return refOf(run);
}

/** "last": that has begun, running or not; "previous": the one before it. Throws NotFound. */
export function chosenRun(
  runs: readonly RuntimeContainer[],
  container: string,
  which: "running" | "last" | "previous",
): ContainerRef {
  const begun = runs
    .filter((run) => run.name === container && run.state !== "created")
    .sort((a, b) => b.attempt - a.attempt);
  const run = begun[which === "previous" ? 1 : 0];
  if (run === undefined || (which === "running" && run.state !== "running"))
    throw new VirtualKubeletError("NotFound", `there is no ${which} run of container ${container}`);
  return refOf(run);
}
