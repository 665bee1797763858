// One call of a provider about one pod.
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { CallContext } from "../provider.ts";
import { type ActionContext, fields } from "./action-context.ts";
import { settleBy } from "./backend-watcher.ts";
import type { PodEntry } from "./pod-entry.ts";

/** With a time limit, ended by a deletion of the pod, never overlapping another for the same pod. */
export async function call<T>(
  entry: PodEntry,
  context: ActionContext,
  signal: AbortSignal,
  perform: (context: CallContext) => Promise<T>,
): Promise<T> {
  const call = new AbortController();
  entry.call = call;
  // One controller for the three ways a call ends early: cheaper than a composed signal, and this is a hot path.
  const stop = (): void => call.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const overdue = (): void =>
    call.abort(new VirtualKubeletError("Unavailable", `no answer within ${limitMs / 1000} s`));
  const limitMs = context.callTimeoutMs;
  const cancelTimer = context.clock.schedule(limitMs, overdue);
  const callContext = {
    signal: call.signal,
    // Made when it is asked for: most calls log nothing.
    get log(): Logger {
      return context.log.child(fields(entry));
    },
  };
  try {
    return await settleBy(perform(callContext), call.signal);
  } catch (error) {
    // Nobody here ended the call: a provider's own time limit is a failure like any other.
    if (isErrorKind(error, "Aborted") && !call.signal.aborted)
      throw new VirtualKubeletError("Unavailable", errorText(error), { cause: error });
    throw error;
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", stop);
    entry.call = undefined;
  }
}
