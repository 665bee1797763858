// Every state that objects have, for tests: a watch that goes on where it was when a server that is busy ended it.
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../errors.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "../kube/client.ts";
import type { KubeObject, Resource } from "../kube/resource.ts";

export type StateEvent<T extends KubeObject> = Exclude<WatchEvent<T>, { readonly type: "BOOKMARK" }>;

export interface EveryStateOptions extends Pick<WatchOptions, "namespace" | "labelSelector" | "fieldSelector"> {
  /** Begins with what came after this one; default: with what is there. */
  readonly resourceVersion?: string | undefined;
  readonly signal: AbortSignal;
}

/** Shows them until the signal aborts. Throws Expired where the server no longer knows what came between. */
export async function everyState<T extends KubeObject>(
  client: KubeClient,
  of: Resource<T>,
  options: EveryStateOptions,
  see: (event: StateEvent<T>) => void,
): Promise<void> {
  const { resourceVersion, ...rest } = options;
  const { signal } = options;
  let from = resourceVersion;
  // What is there comes in no order: none of it is a place to go on from before all of it is.
  let whole = from !== undefined;
  while (!signal.aborted) {
    const begin = from === undefined || !whole ? { sendInitialEvents: true } : { resourceVersion: from };
    try {
      for await (const event of client.watch(of, { ...rest, ...begin })) {
        if (event.type === "BOOKMARK") {
          from = event.resourceVersion;
          whole ||= event.initialEventsEnd;
          continue;
        }
        if (whole) from = event.object.metadata.resourceVersion;
        see(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isErrorKind(error, "Unavailable")) throw error;
    }
    // Keeps no process alive whose client is closed.
    await sleep(100, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
