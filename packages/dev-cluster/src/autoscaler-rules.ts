// What the API server fills in and asks for where HorizontalPodAutoscalers are made and changed.
import { type Cause, invalidValue, requiredValue } from "./api-error.ts";
import { at, isObject, type JsonObject, list, number, object, put } from "./json.ts";

const policy = (type: string, value: number): JsonObject => ({ type, value, periodSeconds: 15 });
const rules: Readonly<Record<string, JsonObject>> = {
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: "Max",
    policies: [policy("Pods", 4), policy("Percent", 100)],
  },
  scaleDown: { stabilizationWindowSeconds: undefined, selectPolicy: "Max", policies: [policy("Percent", 100)] },
};

/** Who says something of behaviour is told all of it. */
export function completeBehavior(scaler: JsonObject): JsonObject {
  const given = at(scaler, "spec", "behavior");
  if (!isObject(given)) return scaler;
  const complete = Object.entries(rules).map(([way, rule]) => [way, { ...rule, ...object(given, way) }]);
  return put(scaler, ["spec", "behavior"], Object.fromEntries(complete));
}

export function autoscalerFaults(scaler: JsonObject): readonly Cause[] {
  const most = number(scaler, "spec", "maxReplicas") ?? 0;
  const isTooFew = most < (number(scaler, "spec", "minReplicas") ?? 1);
  const aims = list(scaler, "spec", "metrics").flatMap((metric, index) => {
    const aim = number(metric, "resource", "target", "averageUtilization");
    const field = `spec.metrics[${index}].resource.target.averageUtilization`;
    return aim === undefined || aim > 0 ? [] : [invalidValue(field, aim, "must be greater than 0")];
  });
  return [
    ...(most > 0 ? [] : [requiredValue("spec.maxReplicas", "Required value: must be set and greater than 0")]),
    ...(isTooFew ? [invalidValue("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")] : []),
    ...aims,
  ];
}
