// A recorder of events that tells of each one.
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { ProcessObserver } from "./observer.ts";

export function observedRecorder(
  recorder: Pick<EventRecorder, "record">,
  observer: Pick<ProcessObserver, "event">,
): Pick<EventRecorder, "record"> {
  return {
    record(target, type, reason, message, options) {
      observer.event(target, options?.host ?? "", type, reason, message);
      recorder.record(target, type, reason, message, options);
    },
  };
}
