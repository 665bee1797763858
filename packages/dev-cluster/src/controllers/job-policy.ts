// What a Job's podFailurePolicy says of a pod that failed.
import { type Json, type JsonObject, list, number, text } from "../json.ts";
import { keyOf, statusesOf } from "./objects.ts";

export interface Verdict {
  /** `FailJob`, `Ignore` or `Count`. */
  readonly action: string;
  readonly message: string;
}

/** By the first rule that is about it; undefined where none is. */
export function policyOf(job: JsonObject, pod: JsonObject): Verdict | undefined {
  if (text(pod, "status", "phase") !== "Failed") return undefined;
  for (const [index, rule] of list(job, "spec", "podFailurePolicy", "rules").entries()) {
    const why = exitOf(pod, rule) ?? conditionOf(pod, rule);
    const action = text(rule, "action");
    if (why !== undefined) return { action, message: `${why} matching ${action} rule at index ${index}` };
  }
  return undefined;
}

function exitOf(pod: JsonObject, rule: Json): string | undefined {
  const operator = text(rule, "onExitCodes", "operator");
  if (operator === "") return undefined;
  const name = text(rule, "onExitCodes", "containerName");
  const values = list(rule, "onExitCodes", "values");
  for (const status of statusesOf(pod)) {
    const code = number(status, "state", "terminated", "exitCode") ?? 0;
    const isMeant = code !== 0 && (name === "" || text(status, "name") === name);
    if (isMeant && values.includes(code) === (operator === "In"))
      return `Container ${text(status, "name")} for pod ${keyOf(pod)} failed with exit code ${code}`;
  }
  return undefined;
}

function conditionOf(pod: JsonObject, rule: Json): string | undefined {
  const wanted = list(rule, "onPodConditions");
  const found = list(pod, "status", "conditions").find((each) =>
    wanted.some(
      (one) => text(one, "type") === text(each, "type") && (text(one, "status") || "True") === text(each, "status"),
    ),
  );
  return found === undefined ? undefined : `Pod ${keyOf(pod)} has condition ${text(found, "type")}`;
}
