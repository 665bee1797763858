// The event stream of a fake Nomad: a line of JSON for each change, `{}` to say that it lives, from an index on.
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import type { NomadFaults } from "./fake-faults.ts";
import type { Call, Route } from "./fake-server.ts";
import type { EventBatch, FakeEvent, FakeState } from "./fake-state.ts";

export interface EventRouteOptions {
  readonly state: FakeState;
  readonly faults: NomadFaults;
  readonly clock: Clock;
  readonly heartbeatMs: number;
}

export function eventRoute(options: EventRouteOptions): Route {
  return {
    ...{ operation: "events", method: "GET", path: /^event\/stream$/, capability: "read-job" },
    work: (call) => stream(call, options),
  };
}

async function stream(call: Call, { state, faults, clock, heartbeatMs }: EventRouteOptions): Promise<"streamed"> {
  const { query, namespace, response } = call;
  const topics = query.getAll("topic").map((each) => each.split(":"));
  const isWanted = ({ Topic, Key, FilterKeys, Namespace }: FakeEvent): boolean =>
    (namespace === "*" || Namespace === namespace || Namespace === "") &&
    (topics.length === 0 ||
      topics.some(
        ([topic = "*", key = "*"]) =>
          (topic === "*" || topic === Topic) && (key === "*" || key === Key || FilterKeys.includes(key)),
      ));
  const cut = new AbortController();
  const ended = faults.stream(() => cut.abort());
  const signal = AbortSignal.any([call.signal, cut.signal]);
  const { restorations } = state;
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache" }).flushHeaders();
  response.write("{}\n");
  let batches = state.batchesFrom(Number(query.get("index") ?? 0));
  let last = state.index;
  // Who is told of a restoration subscribes anew.
  while (!signal.aborted && state.restorations === restorations) {
    const lines = batches.flatMap((batch) => lineOf(batch, isWanted));
    if (lines.length > 0) response.write(lines.join(""));
    const woken = new AbortController();
    const stop = state.onChange(() => woken.abort());
    if (state.index === last) {
      await pause(clock, heartbeatMs, AbortSignal.any([signal, woken.signal]));
      if (!signal.aborted && !woken.signal.aborted) response.write("{}\n");
    }
    stop();
    batches = state.batchesAfter(last);
    last = state.index;
  }
  ended();
  if (cut.signal.aborted) response.destroy();
  else response.end();
  return "streamed";
}

function lineOf({ index, events }: EventBatch, isWanted: (event: FakeEvent) => boolean): readonly string[] {
  const wanted = events.filter(isWanted).map((event) => ({ ...event, Index: index }));
  return wanted.length === 0 ? [] : [`${JSON.stringify({ Index: index, Events: wanted })}\n`];
}
