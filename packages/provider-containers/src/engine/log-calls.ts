// A container's log by the engine's API: each piece with its stream, and its time before the text.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions, EngineLogOptions } from "./engine-client.ts";
import { type OutputPiece, StdcopyDecoder } from "./stdcopy.ts";

export async function* logs(
  calls: EngineCalls,
  id: string,
  { follow, tty }: EngineLogOptions & { readonly tty: boolean },
  options: CallOptions,
): AsyncGenerator<OutputPiece, undefined> {
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const query = { stdout: true, stderr: true, timestamps: true, follow };
  const request = calls.request({ method: "GET", path: `/containers/${part(id)}/logs`, query }, { signal });
  try {
    const response = await calls.transport.stream(request);
    const decoder = tty ? undefined : new StdcopyDecoder();
    for await (const chunk of response) {
      if (!(chunk instanceof Uint8Array)) continue;
      if (decoder === undefined) yield { stream: "stdout", data: chunk };
      else yield* decoder.feed(chunk);
    }
    decoder?.end();
  } catch (cause) {
    options.signal.throwIfAborted();
    if (cause instanceof VirtualKubeletError) throw cause;
    throw new VirtualKubeletError("Unavailable", "the engine's log broke off", { cause });
  } finally {
    over.abort();
  }
  return undefined;
}
