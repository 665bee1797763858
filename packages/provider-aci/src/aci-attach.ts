// What a container's own process writes from now on. The cloud carries no input to it.
import { type CallContext, type ContainerIO, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import { drained } from "@virtual-kubelet/virtual-kubelet/host";
import type { AciClient } from "./arm-client.ts";

export async function attach(
  client: Pick<AciClient, "attach">,
  { group, container }: GroupContainer,
  name: string,
  io: ContainerIO,
  context: CallContext,
): Promise<void> {
  const report = group.containers.find((each) => each.name === container);
  if (report === undefined) throw new VirtualKubeletError("NotFound", `container ${container} is not there`);
  if (report.state.running === undefined)
    throw new VirtualKubeletError("Conflict", `container ${container} is not running`);
  if (io.stdin !== undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      "the cloud carries no input to a container's own process: attach without -i",
    );
  const terminal = await client.attach(name, container, { ...context, urgency: "now" });
  const close = (): void => terminal.close();
  context.signal.addEventListener("abort", close, { once: true });
  try {
    for await (const chunk of terminal.output) {
      if (io.stdout === undefined) continue;
      if (!io.stdout.write(chunk)) await drained(io.stdout, context.signal);
    }
    context.signal.throwIfAborted();
  } finally {
    context.signal.removeEventListener("abort", close);
    terminal.close();
  }
}
