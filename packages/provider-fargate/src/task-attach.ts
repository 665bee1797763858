// What a container's own process writes from now on, by its log: ECS attaches nobody to it.
import {
  type CallContext,
  type ContainerIO,
  type ContainerLogOptions,
  type ContainerLogs,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import { drained } from "@virtual-kubelet/virtual-kubelet/host";

/** Resolves when the container has ended and all that it wrote was told. */
export async function attachByLogs(
  { group, container }: GroupContainer,
  { stdin, stdout }: ContainerIO,
  logs: (options: ContainerLogOptions) => Promise<ContainerLogs>,
  { signal }: CallContext,
): Promise<void> {
  const report = group.containers.find(({ name }) => name === container);
  if (report === undefined) throw new VirtualKubeletError("NotFound", `container ${container} is not there`);
  if (report.state.running === undefined)
    throw new VirtualKubeletError("Conflict", `container ${container} is not running`);
  if (stdin !== undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      "ECS carries no input to a container's own process: attach without -i, or run a shell with exec",
    );
  const { data } = await logs({ follow: true, tailLines: 0 });
  const decoder = new TextDecoder();
  for await (const chunk of data) {
    signal.throwIfAborted();
    // Whole lines, each with its time before it.
    const text = decoder.decode(chunk).replace(/^\S+ /gm, "");
    if (stdout !== undefined && !stdout.write(text)) await drained(stdout, signal);
  }
  signal.throwIfAborted();
}
