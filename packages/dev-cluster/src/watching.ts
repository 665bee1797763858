// Watches: changes of a collection as they happen, told as their selectors see them, with bookmarks.
import type { Api } from "./api.ts";
import { ApiError, badRequest } from "./api-error.ts";
import type { ResourceCall } from "./call.ts";
import { type JsonObject, put } from "./json.ts";
import { matcherOf } from "./reading.ts";
import { representationOf } from "./representation.ts";
import type { Matcher } from "./selectors.ts";
import type { Change } from "./store.ts";

/** Where the lines of a watch go. */
export interface WatchSink {
  /** False where the reader is too far behind: the watch ends then. */
  write(line: string): boolean;
  end(): void;
}

const bookmarkMs = 60_000;
const defaultSeconds = 1_800;
/** As long as timers can wait. */
const longestSeconds = 2_000_000;

/** Checks the request and returns what begins the watch, which returns what ends it. Throws before anything is written. */
export function watch(api: Api, call: ResourceCall): (sink: WatchSink) => () => void {
  const { resource, route } = call;
  const matches = matcherOf(call);
  const representation = representationOf(call, api.now);
  const asked = route.query.get("resourceVersion") ?? "";
  if (asked !== "" && !/^\d+$/.test(asked))
    throw badRequest(`Invalid value: ${JSON.stringify(asked)}: invalid resource version`);
  const sendsInitial = route.query.get("sendInitialEvents") === "true";
  const bookmarks = route.query.get("allowWatchBookmarks") === "true";
  const seconds = Math.min(Number(route.query.get("timeoutSeconds") ?? 0) || defaultSeconds, longestSeconds);

  return (sink) => {
    let isFirst = true;
    let isOver = false;
    const stops: (() => void)[] = [];
    const stop = (): void => {
      isOver = true;
      for (const each of stops.splice(0)) each();
    };
    const send = (type: string, what: JsonObject): void => {
      if (isOver) return;
      if (sink.write(`${JSON.stringify({ type, object: what })}\n`)) return;
      stop();
      sink.end();
    };
    const tell = (type: string, about: JsonObject): void => {
      send(type, representation.one(about, isFirst));
      isFirst = false;
    };
    const bookmark = (annotations?: JsonObject): void => {
      send("BOOKMARK", representation.bookmark({ resourceVersion: `${api.store.revision}`, annotations }));
    };
    const begin = (): void => {
      let since = Number(asked);
      if (sendsInitial || asked === "" || asked === "0") {
        since = api.store.revision;
        if (route.query.get("sendInitialEvents") !== "false") {
          for (const each of api.store.list(resource.key)) if (matches(each)) tell("ADDED", each);
        }
        if (sendsInitial && bookmarks) bookmark({ "k8s.io/initial-events-end": "true" });
      }
      stops.push(api.store.watch(resource.key, since, (change) => seen(change, matches, tell)));
    };
    try {
      begin();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      send("ERROR", error.status());
      sink.end();
      return stop;
    }
    if (isOver) return stop;
    const timer = setTimeout(() => {
      if (bookmarks) bookmark();
      stop();
      sink.end();
    }, seconds * 1000);
    const ticking = bookmarks ? setInterval(bookmark, bookmarkMs) : undefined;
    stops.push(
      () => clearTimeout(timer),
      () => clearInterval(ticking),
    );
    return stop;
  };
}

/** What comes into a selector's view is new to its watch, what leaves it is gone. */
function seen(change: Change, matches: Matcher, tell: (type: string, about: JsonObject) => void): void {
  const before = change.previous !== undefined && matches(change.previous);
  const now = change.type !== "DELETED" && matches(change.object);
  if (now) tell(before ? "MODIFIED" : "ADDED", change.object);
  else if (before) {
    // As it was when it was last seen, at the revision of its end.
    const asSeen = put(change.previous ?? {}, ["metadata", "resourceVersion"], `${change.revision}`);
    tell("DELETED", change.type === "DELETED" ? change.object : asSeen);
  }
}
