// Lines of Nomad's event stream as batches of events: one JSON object in each line, `{}` to say that it lives.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { Indexed } from "../nomad-client.ts";
import type { NomadEvent } from "../wire.ts";

const named = v.object({ JobID: v.optional(v.nullable(v.string())), ID: v.optional(v.nullable(v.string())) });
const line = v.object({
  Index: v.optional(v.number()),
  Events: v.optional(
    v.nullable(
      v.array(
        v.object({
          Topic: v.string(),
          Type: v.string(),
          Key: v.string(),
          Index: v.number(),
          Payload: v.optional(
            v.nullable(
              v.object({
                Allocation: v.optional(v.nullable(named)),
                Evaluation: v.optional(v.nullable(named)),
                Job: v.optional(v.nullable(named)),
              }),
            ),
          ),
        }),
      ),
    ),
  ),
});

/** A single event is no longer than a job is. */
const longestLine = 16 * 2 ** 20;

/** Throws Forbidden where nothing comes at all: Nomad tells by that alone that the token may not have it. */
export async function* eventBatches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Indexed<readonly NomadEvent[]>> {
  const decoder = new TextDecoder();
  let rest = "";
  let hasBegun = false;
  for await (const chunk of chunks) {
    hasBegun = true;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longestLine)
      throw new VirtualKubeletError("Unavailable", "the event stream has no end of a line");
    for (const each of lines) {
      const batch = batchOf(each);
      if (batch !== undefined) yield batch;
    }
  }
  if (hasBegun) throw new VirtualKubeletError("Unavailable", "the event stream has ended");
  throw new VirtualKubeletError("Forbidden", "the event stream ends before it begins: the token may not have it");
}

function batchOf(text: string): Indexed<readonly NomadEvent[]> | undefined {
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", "the event stream has a line that is no JSON", { cause });
  }
  const found = v.safeParse(line, value);
  if (!found.success) throw new VirtualKubeletError("Unavailable", "the event stream has a line of another kind");
  const { Index, Events } = found.output;
  if (Index === undefined) return undefined;
  const events = (Events ?? []).map(({ Payload, ...event }): NomadEvent => {
    const of = Payload?.Allocation?.JobID ?? Payload?.Evaluation?.JobID ?? Payload?.Job?.ID;
    const JobID = of ?? (event.Topic === "Job" ? event.Key : undefined);
    return { ...event, ...(JobID !== undefined && { JobID }) };
  });
  return { value: events, index: Index };
}
