// Ends a container's process by a command in it: the cloud itself ends and restarts groups only as a whole.
import {
  type CallContext,
  type Clock,
  isErrorKind,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { connectionEnded, type GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciClient } from "./arm-client.ts";
import { restartsTag } from "./tags.ts";

export interface ContainerEndsOptions {
  readonly client: Pick<AciClient, "get" | "restart" | "updateTags">;
  readonly clock: Clock;
  /** Runs a command in the container; answers its exit code. Throws Unsupported for an image without a shell. */
  readonly run: (target: GroupContainer, command: readonly string[], context: CallContext) => Promise<number>;
  /** For so long a process that was told to end may take, milliseconds. */
  readonly patienceMs?: number | undefined;
}

const lookEveryMs = 2_000;

/** TERM to the first process. Throws Unsupported where there is no shell, Unavailable where it did not work. */
export async function terminateContainer(
  { run }: Pick<ContainerEndsOptions, "run">,
  target: GroupContainer,
  context: CallContext,
): Promise<void> {
  // Where the container ends at once, nobody is left to tell how the command did.
  const exitCode = await run(target, ["/bin/sh", "-c", "kill -TERM 1"], context).catch((error: unknown) => {
    if (VirtualKubeletError.from(error).reason !== connectionEnded) throw error;
    return 0;
  });
  if (exitCode !== 0)
    throw new VirtualKubeletError(
      "Unavailable",
      `TERM could not be sent in container ${target.container}: kill ended with ${exitCode}`,
    );
}

/**
 * Has it end by TERM, so that the cloud starts it anew by the group's policy. A process that does not end by that is ended with its
 * group where it is the only one of it; else it cannot be: Unavailable.
 */
export async function restartContainer(
  options: ContainerEndsOptions,
  target: GroupContainer,
  name: string,
  context: CallContext,
): Promise<void> {
  const { client, clock, patienceMs = 30_000 } = options;
  const { group, container } = target;
  const attempt = group.containers.find((each) => each.name === container)?.restartCount ?? 0;
  let fault = `container ${container} does not end by TERM`;
  try {
    await terminateContainer(options, target, context);
    const until = clock.now() + patienceMs;
    while (clock.now() < until) {
      await pause(clock, lookEveryMs, context.signal);
      context.signal.throwIfAborted();
      if (await hasEnded(client, name, container, attempt, context)) return;
    }
  } catch (error) {
    if (context.signal.aborted || !isErrorKind(error, "Unsupported")) throw error;
    fault = `container ${container} has no shell by which it could be told to end`;
  }
  const { tags = {}, properties } = await client.get(name, context);
  // What is never restarted must not be by that.
  if (properties.containers.length > 1 || properties.restartPolicy === "Never")
    throw new VirtualKubeletError("Unavailable", `${fault}, and the cloud restarts groups only as a whole`);
  await client.updateTags(name, { ...tags, ...restartsTag(attempt + 1) }, { ...context, urgency: "now" });
  await client.restart(name, { ...context, urgency: "now" });
}

async function hasEnded(
  client: Pick<AciClient, "get">,
  name: string,
  container: string,
  attempt: number,
  context: CallContext,
): Promise<boolean> {
  const { properties } = await client.get(name, context);
  const view = properties.containers.find((each) => each.name === container)?.properties.instanceView;
  return view?.currentState?.state !== "Running" || (view.restartCount ?? 0) > attempt;
}
