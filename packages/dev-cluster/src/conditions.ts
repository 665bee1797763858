// Conditions in the status of objects.
import { timestamp } from "./access.ts";
import { type Json, list, object, text } from "./json.ts";

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  /** Of pods and Jobs; null: never. */
  readonly lastProbeTime?: string | null;
}

export function conditionOf(of: Json | undefined, type: string): Json | undefined {
  return list(of, "status", "conditions").find((each) => text(each, "type") === type);
}

/** Whether a condition is there and true. */
export function isTrue(of: Json | undefined, type: string): boolean {
  return text(conditionOf(of, type), "status") === "True";
}

/** The conditions with this one set; its transition time is new only where its status is. */
export function withCondition(conditions: readonly Json[], wanted: Condition, now: number): readonly Json[] {
  const before = conditions.find((each) => text(each, "type") === wanted.type);
  const kept = text(before, "status") === wanted.status;
  const lastTransitionTime = kept ? text(before, "lastTransitionTime") : timestamp(now);
  const made = { ...object(before), ...wanted, lastTransitionTime };
  return before === undefined ? [...conditions, made] : conditions.map((each) => (each === before ? made : each));
}
