// How the containers of a group run: images first, init containers one after another, then the others, each restarted by the policy.
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { CreateContainerGroupRequest } from "../wire.ts";
import type { FakeContainer } from "./fake-container.ts";
import type { FakeEvents } from "./fake-events.ts";

export interface GroupRun {
  readonly inits: readonly FakeContainer[];
  readonly mains: readonly FakeContainer[];
  readonly events: FakeEvents;
  readonly restartPolicy: CreateContainerGroupRequest["RestartPolicy"];
  readonly clock: Clock;
}

/** Made as soon as its images are there; one that is not is tried again and again. Undefined: the signal ended it. */
export async function madeGroup(
  { inits, mains, events, clock }: GroupRun,
  create: () => Promise<RunningGroup>,
  { pullMs, againMs }: { readonly pullMs: number; readonly againMs: number },
  signal: AbortSignal,
): Promise<RunningGroup | undefined> {
  const all = [...inits, ...mains];
  for (const { spec } of all) events.tell("Pulling", `Pulling image "${spec.Image}"`);
  await pause(clock, pullMs, signal);
  while (!signal.aborted) {
    try {
      const made = await create();
      for (const { spec } of all) events.tell("Pulled", `Successfully pulled image "${spec.Image}"`);
      return made;
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
      for (const each of all) notPulled(each, errorText(error), events);
      await pause(clock, againMs, signal);
    }
  }
  return undefined;
}

/** `why` names the image that is not there. */
function notPulled(container: FakeContainer, why: string, events: FakeEvents): void {
  const { Image } = container.spec;
  if (!why.includes(Image)) return;
  events.tell("Failed", `Failed to pull image "${Image}": ${why}`, "Warning");
  events.tell("BackOff", `Back-off pulling image "${Image}"`, "Warning");
  container.waits("ImagePullBackOff", `Back-off pulling image "${Image}"`);
}

/** What becomes of the group; undefined: the signal ended it. */
export async function runContainers(
  run: GroupRun,
  running: RunningGroup,
  signal: AbortSignal,
): Promise<"Succeeded" | "Failed" | undefined> {
  const { inits, mains, restartPolicy = "Always" } = run;
  for (const init of inits) {
    const code = await toItsEnd(init, running, restartPolicy === "Never" ? "Never" : "OnFailure", signal);
    if (signal.aborted) return undefined;
    if (code !== 0) return "Failed";
  }
  const codes = await Promise.all(mains.map((each) => toItsEnd(each, running, restartPolicy, signal)));
  if (signal.aborted) return undefined;
  return codes.every((code) => code === 0) ? "Succeeded" : "Failed";
}

/** Resolves with the last exit code when it is not started any more, undefined when the signal ended it. */
async function toItsEnd(
  container: FakeContainer,
  running: RunningGroup,
  policy: "Always" | "OnFailure" | "Never",
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    await container.begin(running, signal);
    const code = await container.ended(running, signal);
    if (code === undefined) return undefined;
    if (policy === "Never" || (policy === "OnFailure" && code === 0)) return code;
    await container.backOff(signal);
  }
  return undefined;
}
