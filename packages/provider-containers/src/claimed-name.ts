// Makes a container under a name that is ours alone, although an engine that was killed in the middle of a create may have left it
// taken: Podman then has storage by that name, and no container.
import { type CallContext, errorText, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerCreate, EngineClient } from "./engine/engine-client.ts";

/**
 * Resolves to the container's id; undefined where `find` sees that a call before this one has made it. What has the name and is
 * no container is removed.
 */
export async function createNamed(
  client: Pick<EngineClient, "createContainer" | "removeContainer">,
  name: string,
  body: ContainerCreate,
  find: () => Promise<boolean>,
  context: CallContext,
): Promise<string | undefined> {
  try {
    return await client.createContainer(name, body, context);
  } catch (error) {
    if (!isErrorKind(error, "Conflict")) throw error;
    if (await find()) return undefined;
    context.log.warn(
      { err: errorText(error) },
      "a container's name is taken by what the engine left behind: that is removed",
    );
    await client.removeContainer(name, context);
    return client.createContainer(name, body, context);
  }
}
