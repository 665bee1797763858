// The stream of states: server-sent events read by fetch, which can show a token and EventSource cannot.

/** @import { ViewState } from "../src/view/view-state.ts" */

/**
 * @typedef {object} Listener
 * @property {(state: ViewState) => void} state
 * @property {(status: "live" | "waiting" | "lost", why: string) => void} status
 * @property {(fault: string) => void} refused nobody may look like this: 401, 403
 */

const againMs = 2000;
/** The process says something each 15 s. */
const silenceMs = 40_000;

export class Connection {
  /** @type {Listener} */
  #listener;
  /** @type {string | undefined} */
  #token;
  /** @type {AbortController} */
  #current = new AbortController();
  #query = "";

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  get hasToken() {
    return this.#token !== undefined;
  }

  /** In memory alone. @param {string | undefined} token */
  useToken(token) {
    this.#token = token;
  }

  /** Begins anew with this query. @param {string} query */
  open(query) {
    this.#current.abort();
    this.#current = new AbortController();
    this.#query = query;
    void this.#run(this.#current.signal);
  }

  close() {
    this.#current.abort();
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      try {
        if (!(await this.#read(signal))) return;
        // The process ends each stream after some minutes; nothing that ends them at once shall be asked without end.
        await pause(againMs / 4, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#listener.status("lost", error instanceof Error ? error.message : String(error));
        await pause(againMs, signal);
      }
    }
  }

  /** False: we are refused. @param {AbortSignal} signal */
  async #read(signal) {
    const silence = new AbortController();
    const stop = AbortSignal.any([signal, silence.signal]);
    const response = await fetch(`api/stream?${this.#query}`, {
      signal: stop,
      cache: "no-store",
      credentials: "same-origin",
      headers: this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` },
    });
    if (response.status === 401 || response.status === 403) {
      const text = (await response.text()).trim();
      const unknown = this.#token === undefined ? "" : "The API server does not know this token.";
      if (!signal.aborted) this.#listener.refused(response.status === 401 ? unknown : text);
      return false;
    }
    if (!response.ok || response.body === null)
      throw new Error((await response.text()).trim() || `status ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return true;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceMs);
        rest += value;
        const events = rest.split("\n\n");
        rest = events.pop() ?? "";
        for (const event of events) this.#take(event, signal);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {string} event @param {AbortSignal} signal */
  #take(event, signal) {
    if (signal.aborted) return;
    const data = /^data: (.*)$/m.exec(event)?.[1];
    if (event.startsWith("event: state") && data !== undefined) this.#listener.state(JSON.parse(data));
    this.#listener.status("live", "");
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
