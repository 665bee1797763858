// Runs that a runtime showed and shows no more, without having been told to remove them: they have ended, and nobody knows
// how. Pure.
import type { RuntimeContainer } from "./container-runtime.ts";

export function lostRuns(
  before: ReadonlyMap<string, RuntimeContainer>,
  shown: ReadonlyMap<string, RuntimeContainer>,
  now: number,
): readonly RuntimeContainer[] {
  return [...before]
    .filter(([key, run]) => !shown.has(key) && run.state !== "created")
    .map(([, run]) => (run.state === "exited" ? run : ended(run, now)));
}

function ended(run: RuntimeContainer, now: number): RuntimeContainer {
  return {
    ...run,
    state: "exited",
    exitCode: 137,
    reason: "ContainerStatusUnknown",
    message: "The container could not be located when the pod was looked at",
    finishedAt: now,
  };
}
