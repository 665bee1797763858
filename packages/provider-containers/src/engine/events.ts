// What happens to containers of one engine, as it happens.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import { event } from "./container-answers.ts";
import { hasLabels } from "./container-calls.ts";
import type { EngineCalls } from "./engine-calls.ts";
import type { CallOptions, EngineEvent } from "./engine-client.ts";
import { jsonLines } from "./json-lines.ts";

/** The request is under way when this returns: what is listed after the first event, or a moment later, misses nothing. */
export function events(
  calls: EngineCalls,
  labels: readonly string[],
  options: CallOptions,
): AsyncGenerator<EngineEvent, undefined> {
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  // Actions are not filtered here: Podman filters by names of its own. Several labels mean all of them, or any.
  const filters = JSON.stringify({ type: ["container"], label: labels.slice(0, 1) });
  const request = calls.request({ method: "GET", path: "/events", query: { filters } }, { signal });
  const response = calls.transport.stream(request);
  response.catch(() => {});
  return read();

  async function* read(): AsyncGenerator<EngineEvent, undefined> {
    try {
      for await (const line of jsonLines(await response)) {
        const parsed = v.safeParse(event, line);
        if (!parsed.success) continue;
        const { type, attributes } = parsed.output;
        if (type === "container" && hasLabels(attributes, labels)) yield parsed.output;
      }
    } catch (cause) {
      options.signal.throwIfAborted();
      if (cause instanceof VirtualKubeletError) throw cause;
      throw new VirtualKubeletError("Unavailable", "the engine's events broke off", { cause });
    } finally {
      over.abort();
    }
    options.signal.throwIfAborted();
    throw new VirtualKubeletError("Unavailable", "the engine's events have ended");
  }
}
