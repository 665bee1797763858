// Server-sent events: the state whenever it is another one, at most once a second, as fast as the browser takes it.
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { AnyResponse } from "../server/request-peer.ts";
import { headers, sendText } from "./answers.ts";
import type { ViewState } from "./view-state.ts";

const most = 32;
const intervalMs = 1000;
/** Something is said at least so often: who hears nothing for longer has lost the connection. */
const silenceMs = 15_000;
/** Then the browser comes again, and is looked at again. */
const longestMs = 5 * 60_000;

export interface StateStreamsOptions {
  readonly log: Logger;
}

export class StateStreams {
  readonly #log: Logger;
  #open = 0;

  constructor({ log }: StateStreamsOptions) {
    this.#log = log;
  }

  /** Until the signal aborts, or for some minutes. */
  async serve(response: AnyResponse, look: () => Promise<ViewState>, signal: AbortSignal): Promise<void> {
    if (this.#open >= most) return sendText(response, 503, `${most} browsers look already\n`, { "Retry-After": "10" });
    this.#open += 1;
    try {
      response.writeHead(200, { ...headers, "Content-Type": "text/event-stream" });
      response.flushHeaders();
      await send(response, look, signal);
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ err: error }, "a stream of the web view ended");
    } finally {
      this.#open -= 1;
      response.end();
    }
  }
}

async function send(response: AnyResponse, look: () => Promise<ViewState>, signal: AbortSignal): Promise<void> {
  const end = Date.now() + longestMs;
  let last = "";
  let saidAt = Date.now();
  while (!signal.aborted && Date.now() < end) {
    // One that does not read gets the newest when it does.
    if (!response.writableNeedDrain) {
      const state = await look();
      const text = JSON.stringify({ ...state, now: 0 });
      if (text !== last) {
        last = text;
        saidAt = Date.now();
        response.write(`event: state\ndata: ${JSON.stringify(state)}\n\n`);
      } else if (Date.now() - saidAt > silenceMs) {
        saidAt = Date.now();
        response.write(`event: same\ndata: ${state.now}\n\n`);
      }
    }
    try {
      await sleep(intervalMs, undefined, { signal, ref: false });
    } catch {
      return; // Aborted: the browser is gone, or the program ends.
    }
  }
}
