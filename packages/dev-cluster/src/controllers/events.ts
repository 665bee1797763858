// Events are forgotten an hour after they were told last, as by a real API server.
import type { Api } from "../api.ts";
import { text } from "../json.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { latest } from "./objects.ts";

const keptMs = 3_600_000;

export function events(api: Api): Controller {
  return controllerFor(api, {
    name: "event-expiry",
    resource: "events",
    sync(event, client) {
      const last = [text(event, "lastTimestamp"), text(event, "series", "lastObservedTime"), text(event, "eventTime")];
      const left = latest(text(event, "metadata", "creationTimestamp"), ...last) + keptMs - client.now();
      if (left > 0) return left;
      client.remove(event);
      return undefined;
    },
  });
}
