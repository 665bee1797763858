// What the API server makes of pods: their first status, their quality of service, what may change in them, what is added.
import type { StrategyContext } from "./access.ts";
import { type Cause, forbidden, forbiddenValue, invalidValue, requiredValue } from "./api-error.ts";
import { equal, type Json, type JsonObject, list, merge, number, object, put, text } from "./json.ts";
import { quantityValue } from "./quantity.ts";

export function qosClass(spec: Json | undefined): "Guaranteed" | "Burstable" | "BestEffort" {
  const all = [...list(spec, "initContainers"), ...list(spec, "containers")];
  const amounts = (container: Json, of: string): [string, number][] =>
    Object.entries(object(container, "resources", of))
      .filter(([name]) => name === "cpu" || name === "memory")
      .map(([name, value]): [string, number] => [name, quantityValue(`${value}`)])
      .filter(([, value]) => value > 0);
  if (all.every((each) => amounts(each, "requests").length + amounts(each, "limits").length === 0)) return "BestEffort";
  const guaranteed = all.every((each) => {
    const limits = new Map(amounts(each, "limits"));
    const requests = new Map(amounts(each, "requests"));
    return limits.size === 2 && [...limits].every(([name, value]) => (requests.get(name) ?? value) === value);
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

/** Throws Forbidden for a priority that nobody has defined. */
export function newPod(pod: JsonObject, context: Pick<StrategyContext, "list">): JsonObject {
  const className = text(pod, "spec", "priorityClassName");
  const classes = context.list("priorityclasses.scheduling.k8s.io");
  const priorityClass = classes.find((each) => text(each, "metadata", "name") === className);
  if (className !== "" && priorityClass === undefined) {
    const why = `no PriorityClass with name ${className} was found`;
    throw forbidden({ kind: "pods", name: text(pod, "metadata", "name") }, why);
  }
  const withStatus = put(pod, ["status"], { phase: "Pending", qosClass: qosClass(pod["spec"]) });
  return merge(withStatus, ["spec"], {
    tolerations: [...list(pod, "spec", "tolerations"), ...defaultTolerations(pod)],
    priority: number(priorityClass, "value") ?? 0,
    preemptionPolicy: text(priorityClass, "preemptionPolicy") || "PreemptLowerPriority",
    // Templates do not have it.
    enableServiceLinks: object(pod, "spec")["enableServiceLinks"] ?? true,
  });
}

/** Pods stay five minutes on a node that is lost, where they say nothing else. */
function defaultTolerations(pod: JsonObject): readonly JsonObject[] {
  const given = list(pod, "spec", "tolerations");
  return ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    .filter((key) => {
      const covers = (each: Json): boolean =>
        ["", key].includes(text(each, "key")) && ["", "NoExecute"].includes(text(each, "effect"));
      return !given.some(covers);
    })
    .map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));
}

const mutable =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** The first of its addresses is the one that is said twice. */
export function podStatus(status: JsonObject): JsonObject {
  const ip = text(status, "podIP");
  return ip === "" || list(status, "podIPs").length > 0 ? status : { ...status, podIPs: [{ ip }] };
}

export function podUpdateFaults(next: JsonObject, before: JsonObject): readonly Cause[] {
  const faults: Cause[] = [];
  const fixed = (pod: JsonObject): JsonObject => {
    const withoutImages = (name: string): Json[] =>
      list(pod, "spec", name).map((each) => put(object(each), ["image"], undefined));
    return merge(object(pod, "spec"), [], {
      containers: withoutImages("containers"),
      initContainers: withoutImages("initContainers"),
      activeDeadlineSeconds: undefined,
      tolerations: undefined,
      schedulingGates: undefined,
      ...(text(pod, "spec", "nodeName") === "" ? { nodeSelector: undefined, affinity: undefined } : {}),
    });
  };
  if (!equal(fixed(next), fixed(before))) faults.push(forbiddenValue("spec", mutable));
  const kept = list(next, "spec", "tolerations");
  if (list(before, "spec", "tolerations").some((each) => !kept.some((other) => equal(each, other)))) {
    faults.push(
      forbiddenValue("spec.tolerations", "existing tolerations can not be modified except its tolerationSeconds"),
    );
  }
  return faults;
}

export function podFaults(spec: Json | undefined, path: string): readonly Cause[] {
  const volumes = new Set(list(spec, "volumes").map((each) => text(each, "name")));
  const seen = new Set<string>();
  return ["initContainers", "containers", "ephemeralContainers"].flatMap((field) =>
    list(spec, field).flatMap((container, index) => {
      const place = `${path}.${field}[${index}]`;
      const name = text(container, "name");
      const isSaid = seen.has(name);
      seen.add(name);
      const mounts = list(container, "volumeMounts").map((mount) => text(mount, "name"));
      return [
        ...(name === "" || label.test(name) ? [] : [invalidValue(`${place}.name`, name, labelRule)]),
        ...(isSaid ? [unfit("Duplicate", "Duplicate value", name, `${place}.name`)] : []),
        ...(text(container, "image") === "" ? [requiredValue(`${place}.image`)] : []),
        ...mounts.flatMap((volume, at) =>
          volumes.has(volume) ? [] : [unfit("NotFound", "Not found", volume, `${place}.volumeMounts[${at}].name`)],
        ),
        ...resourceFaults(container, place),
      ];
    }),
  );
}

function unfit(reason: string, title: string, value: string, field: string): Cause {
  return { reason: `FieldValue${reason}`, message: `${title}: ${JSON.stringify(value)}`, field };
}

function resourceFaults(container: Json, place: string): readonly Cause[] {
  const limits = object(container, "resources", "limits");
  return Object.entries(object(container, "resources", "requests")).flatMap(([name, requested]) => {
    const limit = limits[name];
    if (limit === undefined || quantityValue(`${requested}`) <= quantityValue(`${limit}`)) return [];
    const why = `must be less than or equal to ${name} limit of ${limit}`;
    return [invalidValue(`${place}.resources.requests`, requested, why)];
  });
}

export const label: RegExp = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
export const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
