// A call of the runtime with a time limit, which ends with its signal even if the runtime heeds neither.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { CallContext } from "../provider.ts";

/**
 * Throws Unavailable when `limitMs` are over (undefined: never), Aborted when the context's signal aborts. `patient`: after
 * an abort the call is still waited for, as far as the limit goes, so that it cannot take effect unseen.
 */
export async function timedCall<T>(
  clock: Clock,
  context: CallContext,
  limitMs: number | undefined,
  perform: (context: CallContext) => Promise<T>,
  patient = false,
): Promise<T> {
  const call = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const end = (error: unknown): void => {
    call.abort(error);
    reject(VirtualKubeletError.from(error));
  };
  const stop = (): void => (patient ? call.abort(context.signal.reason) : end(context.signal.reason));
  if (context.signal.aborted) stop();
  context.signal.addEventListener("abort", stop, { once: true });
  const overdue = (): void => end(new VirtualKubeletError("Unavailable", "the runtime does not answer in time"));
  const cancel = limitMs === undefined ? undefined : clock.schedule(limitMs, overdue);
  try {
    const answer = perform({ signal: call.signal, log: context.log });
    // Whoever loses the race may still fail: that is no unhandled rejection.
    answer.catch(() => {});
    return await Promise.race([answer, promise]);
  } finally {
    cancel?.();
    context.signal.removeEventListener("abort", stop);
  }
}
