// Reports of a node, with the images that are on it: told anew when either changes.
import { type CallContext, type Clock, errorText, type NodeReport, pause } from "@virtual-kubelet/virtual-kubelet";
import type { Images } from "./images.ts";

const intervalMs = 10_000;

/** Ends and throws as `watch` does. Without images as long as the engine does not tell of them. */
export async function* withImages(
  watch: (context: CallContext) => AsyncIterable<NodeReport>,
  images: Pick<Images, "nodeImages">,
  clock: Clock,
  { signal, log }: CallContext,
): AsyncGenerator<NodeReport> {
  const end = new AbortController();
  const context: CallContext = { signal: AbortSignal.any([signal, end.signal]), log };
  const source = watch(context)[Symbol.asyncIterator]();
  try {
    let next = source.next();
    let report: NodeReport | undefined;
    let shown = "";
    while (!signal.aborted) {
      const timer = new AbortController();
      const tick = pause(clock, intervalMs, AbortSignal.any([context.signal, timer.signal]));
      // Nothing is told before the first report.
      const news = await (report === undefined ? next : Promise.race([next, tick]));
      timer.abort();
      if (news !== undefined) {
        if (news.done === true) return;
        report = news.value;
        next = source.next();
        // Its end is heeded in the next turn, and by nobody after this loop.
        next.catch(() => undefined);
      }
      const told: NodeReport = { ...report, ...(await imagesOf(images, context)) };
      const text = JSON.stringify(told);
      if (text !== shown) yield told;
      shown = text;
    }
  } finally {
    end.abort();
    await source.return?.();
  }
}

async function imagesOf(images: Pick<Images, "nodeImages">, context: CallContext): Promise<Pick<NodeReport, "images">> {
  try {
    return { images: await images.nodeImages(context) };
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.debug({ err: errorText(error) }, "the engine does not tell of its images");
    return {};
  }
}
