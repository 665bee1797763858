// How controllers run: each has keys that are due, one at a time, and looks at the cluster as it is then.
import type { Api } from "../api.ts";
import { ApiError } from "../api-error.ts";
import { type JsonObject, object } from "../json.ts";
import { selects } from "../selectors.ts";
import type { Change } from "../store.ts";
import { Client } from "./client.ts";
import { controllerOf, isGoing, keyOf, keysOfOwner, labelsOf, namespaceOf, splitKey } from "./objects.ts";

export interface Controller {
  readonly name: string;
  /** By resource: which keys a change makes due. */
  readonly hears: Readonly<Record<string, (changed: JsonObject, change: Change) => readonly string[]>>;
  /** Makes the cluster as it should be for this key. Returns the milliseconds after which it is due again, if at all. */
  readonly sync: (key: string) => number | undefined | Promise<number | undefined>;
}

/** What a controller does about the objects of one resource. */
interface ObjectController {
  readonly name: string;
  readonly resource: string;
  /** Resources of objects that those control: what happens to these counts, too. */
  readonly owns?: readonly string[];
  /** Whether one of those that it selects and nobody controls may become its own; default: each. */
  readonly mayTake?: (owned: JsonObject, owner: JsonObject) => boolean;
  /** Other resources. */
  readonly hears?: Controller["hears"];
  /** As `sync` of a controller, with the object as it is. */
  readonly sync: (object: JsonObject, client: Client) => ReturnType<Controller["sync"]>;
  /** It is gone, or is being deleted. */
  readonly gone?: (key: string, client: Client) => void;
}

/** Its keys are those of the objects. */
export function controllerFor(
  api: Api,
  { name, resource, owns = [], mayTake = () => true, hears, sync, gone }: ObjectController,
): Controller {
  const client = new Client(api, name);
  const { kind } = api.resource(resource);
  const ownersOf = (owned: JsonObject): readonly string[] => {
    if (controllerOf(owned) !== undefined) return keysOfOwner(owned, kind);
    const all = api.store.list(resource, namespaceOf(owned));
    return all.filter((each) => selects(object(each, "spec")["selector"], labelsOf(owned))).map(keyOf);
  };
  return {
    name,
    hears: {
      [resource]: (each) => [keyOf(each)],
      ...Object.fromEntries(owns.map((each) => [each, ownersOf])),
      ...hears,
    },
    sync(key) {
      const found = api.store.get(resource, ...splitKey(key));
      if (found === undefined || isGoing(found)) {
        gone?.(key, client);
        return undefined;
      }
      for (const each of owns) client.claim(each, found, (owned) => mayTake(owned, found));
      return sync(found, client);
    },
  };
}

const firstRetryMs = 100;
const lastRetryMs = 30_000;
const lastingRace = 5;
const longestTimerMs = 3_600_000;

/** Runs controllers until the signal aborts. They are told of everything that is there at the start. */
export async function runControllers(
  api: Api,
  controllers: readonly Controller[],
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(controllers.map((each) => run(api, each, log, signal)));
}

async function run(
  { store }: Api,
  { name, hears, sync }: Controller,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const due = new Set<string>();
  const timers = new Map<string, NodeJS.Timeout>();
  const failures = new Map<string, number>();
  let wake: () => void = () => undefined;
  const add = (keys: readonly string[]): void => {
    for (const key of keys) due.add(key);
    wake();
  };
  const later = (key: string, milliseconds: number | undefined): void => {
    clearTimeout(timers.get(key));
    timers.delete(key);
    if (milliseconds === undefined) return;
    const timer = setTimeout(() => add([key]), Math.min(milliseconds, longestTimerMs));
    timers.set(key, timer);
  };
  const stops = Object.entries(hears).map(([resource, keysOf]) => {
    for (const object of store.list(resource))
      add(keysOf(object, { type: "ADDED", revision: store.revision, object, previous: undefined }));
    return store.watch(resource, store.revision, (change) => add(keysOf(change.object, change)));
  });
  signal.addEventListener("abort", () => wake());
  while (!signal.aborted) {
    const [key] = due;
    if (key === undefined) {
      await new Promise<void>((settle) => (wake = settle));
      continue;
    }
    due.delete(key);
    // What was asked for before is seen now; and calls from outside have their turn.
    await new Promise((settle) => setImmediate(settle));
    try {
      later(key, await sync(key));
      failures.delete(key);
    } catch (error) {
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      // Somebody was faster, or the namespace is going: that is no fault, unless it stays so.
      const isRace = error instanceof ApiError && [403, 404, 409].includes(error.code) && count < lastingRace;
      if (!isRace) log(`${name} ${key}: ${error instanceof Error ? error.message : String(error)}`);
      later(key, Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(count, 20)));
    }
  }
  for (const stop of stops) stop();
  for (const timer of timers.values()) clearTimeout(timer);
}
