// Events: what the API server says and asks of them, and the same objects as events.k8s.io has them.
import { type Cause, invalidValue, requiredValue } from "./api-error.ts";
import { equal, type JsonObject, text } from "./json.ts";

/** Fields by the names that events.k8s.io has for those of the core group. */
const names: Readonly<Record<string, string>> = {
  regarding: "involvedObject",
  note: "message",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
};
const coreNames = Object.fromEntries(Object.entries(names).map(([own, core]) => [core, own]));

function renamed(event: JsonObject, by: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(event).map(([field, value]) => [by[field] ?? field, value]));
}

/** Events with a time of their own say who reports what; the others are where their object is. */
export function eventFaults(event: JsonObject): readonly Cause[] {
  const isNewer = text(event, "eventTime") !== "";
  const namespace = text(event, "metadata", "namespace");
  const own = text(event, "involvedObject", "namespace");
  const free = isNewer ? ["default", "kube-system"] : ["default"];
  const fits = own === "" ? free.includes(namespace) : isNewer || own === namespace;
  const place = fits ? [] : [invalidValue("involvedObject.namespace", own, "does not match event.namespace")];
  const fields = isNewer ? ["reportingComponent", "reportingInstance", "action", "reason"] : [];
  return [...place, ...fields.filter((field) => text(event, field) === "").map((field) => requiredValue(field))];
}

const changeable: readonly string[] = ["kind", "apiVersion", "metadata", "series"];

/** Of events.k8s.io as the core group has it. */
export function coreEvent(event: JsonObject): JsonObject {
  return renamed(event, names);
}

/** Of the core group as events.k8s.io has it. */
export function newerEvent(event: JsonObject): JsonObject {
  const { reportingComponent, reportingInstance, ...others } = event;
  const reporter = Object.entries({ reportingComponent, reportingInstance }).filter(([, value]) => value !== "");
  return renamed({ ...others, ...Object.fromEntries(reporter) }, coreNames);
}

/** What events.k8s.io asks for beside. `before` is undefined for a new one. */
export function newerEventFaults(next: JsonObject, before: JsonObject | undefined): readonly Cause[] {
  if (before !== undefined) {
    const changed = Object.keys(next).filter((key) => !changeable.includes(key) && !equal(next[key], before[key]));
    return changed.map((field) => invalidValue(field, next[field], "field is immutable"));
  }
  const type = text(next, "type");
  return [
    ...(text(next, "eventTime") === "" ? [requiredValue("eventTime")] : []),
    ...(["Normal", "Warning"].includes(type) ? [] : [invalidValue("type", "", `has invalid value: ${type}`)]),
  ];
}
