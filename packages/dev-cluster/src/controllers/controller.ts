// How controllers run: each has keys that are due, one at a time, and looks at the cluster as it is then.
import type { Api } from "../api.ts";
import { ApiError } from "../api-error.ts";
import type { JsonObject } from "../json.ts";
import type { Change } from "../store.ts";
import { Client } from "./client.ts";
import { isGoing, keyOf, keysOfOwner, splitKey } from "./objects.ts";

export interface Controller {
  readonly name: string;
  /** By resource: which keys a change makes due. */
  readonly hears: Readonly<Record<string, (changed: JsonObject, change: Change) => readonly string[]>>;
  /** Makes the cluster as it should be for this key. Returns the milliseconds after which it is due again, if at all. */
  readonly sync: (key: string) => number | undefined | Promise<number | undefined>;
}

/** What a controller does about the objects of one resource. */
export interface ObjectController {
  readonly name: string;
  readonly resource: string;
  /** Resources of objects that those control: what happens to these counts, too. */
  readonly owns?: readonly string[];
  /** Other resources. */
  readonly hears?: Controller["hears"];
  /** As `sync` of a controller, with the object as it is. */
  readonly sync: (object: JsonObject, client: Client) => ReturnType<Controller["sync"]>;
  /** It is gone, or is being deleted. */
  readonly gone?: (key: string, client: Client) => void;
}

export function controllerFor(
  api: Api,
  { name, resource, owns = [], hears, sync, gone }: ObjectController,
): Controller {
  const client = new Client(api, name);
  const { kind } = api.resource(resource);
  const ofOwned = owns.map((each) => [each, (owned: JsonObject) => keysOfOwner(owned, kind)] as const);
  return {
    name,
    hears: { [resource]: (each) => [keyOf(each)], ...Object.fromEntries(ofOwned), ...hears },
    sync(key) {
      const found = api.store.get(resource, ...splitKey(key));
      if (found !== undefined && !isGoing(found)) return sync(found, client);
      gone?.(key, client);
      return undefined;
    },
  };
}

const firstRetryMs = 100;
const lastRetryMs = 30_000;
const longestTimerMs = 3_600_000;

/** Runs controllers until the signal aborts. They are told of everything that is there at the start. */
export async function runControllers(
  api: Api,
  controllers: readonly Controller[],
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(controllers.map((each) => new Runner(api, each, log).run(signal)));
}

class Runner {
  readonly #api: Api;
  readonly #controller: Controller;
  readonly #log: (line: string) => void;
  readonly #due = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  #wake: () => void = () => undefined;

  constructor(api: Api, controller: Controller, log: (line: string) => void) {
    this.#api = api;
    this.#controller = controller;
    this.#log = log;
  }

  async run(signal: AbortSignal): Promise<void> {
    const stops = Object.entries(this.#controller.hears).map(([resource, keysOf]) => {
      const { store } = this.#api;
      for (const there of store.list(resource)) {
        this.#add(keysOf(there, { type: "ADDED", revision: store.revision, object: there, previous: undefined }));
      }
      return store.watch(resource, store.revision, (change) => this.#add(keysOf(change.object, change)));
    });
    signal.addEventListener("abort", () => this.#wake());
    try {
      while (!signal.aborted) {
        const [key] = this.#due;
        if (key === undefined) await new Promise<void>((settle) => (this.#wake = settle));
        else await this.#sync(key);
      }
    } finally {
      for (const stop of stops) stop();
      for (const timer of this.#timers.values()) clearTimeout(timer);
    }
  }

  #add(keys: readonly string[]): void {
    for (const key of keys) this.#due.add(key);
    this.#wake();
  }

  async #sync(key: string): Promise<void> {
    this.#due.delete(key);
    // What was asked for before is seen now; and calls from outside have their turn.
    await new Promise((settle) => setImmediate(settle));
    try {
      const again = await this.#controller.sync(key);
      this.#failures.delete(key);
      if (again === undefined) this.#cancel(key);
      else this.#later(key, again);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      // Somebody was faster: that is no fault.
      const isRace = error instanceof ApiError && [404, 409].includes(error.code);
      if (!isRace)
        this.#log(`${this.#controller.name} ${key}: ${error instanceof Error ? error.message : String(error)}`);
      this.#later(key, Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures, 20)));
    }
  }

  #cancel(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  #later(key: string, milliseconds: number): void {
    this.#cancel(key);
    const timer = setTimeout(
      () => {
        this.#timers.delete(key);
        this.#add([key]);
      },
      Math.min(milliseconds, longestTimerMs),
    );
    this.#timers.set(key, timer);
  }
}
