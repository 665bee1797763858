// HorizontalPodAutoscalers by cpu and memory: as many pods as keep what they use near the target.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { apiData, type Resource } from "../api-data.ts";
import { withCondition } from "../conditions.ts";
import { at, equal, type Json, type JsonObject, list, number, object, put, text } from "../json.ts";
import { quantityValue } from "../quantity.ts";
import { selects } from "../selectors.ts";
import type { Controller } from "./controller.ts";
import {
  change,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  splitKey,
  tell,
  uidOf,
  writeStatus,
} from "./objects.ts";

const key = "horizontalpodautoscalers.autoscaling";
const component = "horizontal-pod-autoscaler";
const lookMs = 15_000;
/** While nothing is known of its pods, as when they are new. */
const retryMs = 2_000;
/** So near to the target nothing is done. */
const tolerance = 0.1;
const stabilisationSeconds = 300;

/** What pods use, by their UIDs; cores and bytes. */
export type PodUsage = (
  pods: readonly JsonObject[],
) => Promise<ReadonlyMap<string, { readonly cpu: number; readonly memory: number }>>;

export function autoscalers(api: Api, usage: PodUsage): Controller {
  /** What was wanted of late, by autoscaler: the highest of it is kept for a while. */
  const wishes = new Map<string, readonly { readonly time: number; readonly replicas: number }[]>();
  return {
    name: component,
    hears: {
      [key]: (each, { previous }) =>
        previous === undefined || !equal(each["spec"], previous["spec"]) ? [keyOf(each)] : [],
    },
    async sync(which) {
      const scaler = api.store.get(key, ...splitKey(which));
      if (scaler === undefined || isGoing(scaler)) {
        wishes.delete(which);
        return undefined;
      }
      const resource = targetResource(scaler);
      const name = text(scaler, "spec", "scaleTargetRef", "name");
      const target = resource && api.store.get(resource.key, namespaceOf(scaler), name);
      if (resource === undefined || target === undefined) {
        report(api, scaler, {
          type: "AbleToScale",
          status: "False",
          reason: "FailedGetScale",
          message: `no ${name} to scale`,
        });
        return lookMs;
      }
      const current = number(target, "spec", "replicas") ?? 1;
      const pods = api.store
        .list("pods", namespaceOf(scaler))
        .filter((pod) => selects(at(target, "spec", "selector"), labelsOf(pod)) && !isFinished(pod) && !isGoing(pod));
      const used = await usage(pods);
      const found = list(scaler, "spec", "metrics").map((metric) => proposal(metric, pods, used));
      const fault =
        current === 0
          ? "scaling is disabled since the replica count of the target is zero"
          : found.find((each) => each.fault !== undefined)?.fault;
      if (fault !== undefined) {
        const reason = current === 0 ? "ScalingDisabled" : "FailedGetResourceMetric";
        report(
          api,
          scaler,
          { type: "ScalingActive", status: "False", reason, message: fault },
          { currentReplicas: current },
        );
        return current === 0 ? lookMs : retryMs;
      }
      const wanted = Math.max(...found.map(({ replicas }) => replicas ?? current));
      const bounded = Math.min(
        number(scaler, "spec", "maxReplicas") ?? wanted,
        Math.max(number(scaler, "spec", "minReplicas") ?? 1, Math.min(wanted, Math.max(2 * current, current + 4))),
      );
      const seconds =
        number(scaler, "spec", "behavior", "scaleDown", "stabilizationWindowSeconds") ?? stabilisationSeconds;
      const since = api.now() - seconds * 1000;
      const kept = [
        ...(wishes.get(which) ?? []).filter(({ time }) => time > since),
        { time: api.now(), replicas: bounded },
      ];
      wishes.set(which, kept);
      const replicas = bounded >= current ? bounded : Math.min(current, Math.max(...kept.map((each) => each.replicas)));
      if (replicas !== current) {
        change(api, resource.key, target, (now) => put(now, ["spec", "replicas"], replicas));
        const why =
          replicas > current
            ? `${found.find((each) => each.replicas === wanted)?.what} above target`
            : "All metrics below target";
        tell(api, scaler, {
          type: "Normal",
          reason: "SuccessfulRescale",
          message: `New size: ${replicas}; reason: ${why}`,
          component,
        });
      }
      report(
        api,
        scaler,
        {
          type: "ScalingActive",
          status: "True",
          reason: "ValidMetricFound",
          message: "the HPA was able to successfully calculate a replica count",
        },
        {
          currentReplicas: current,
          desiredReplicas: replicas,
          currentMetrics: found.flatMap(({ shown }) => shown ?? []),
          ...(replicas === current ? {} : { lastScaleTime: timestamp(api.now()) }),
        },
      );
      return lookMs;
    },
  };
}

function targetResource(scaler: JsonObject): Resource | undefined {
  const { apiVersion, kind } = object(scaler, "spec", "scaleTargetRef");
  return apiData().resources.find(
    (each) =>
      each.kind === kind && each.apiVersion === apiVersion && each.subresources.some(({ name }) => name === "scale"),
  );
}

interface Proposal {
  /** undefined: as many as there are. */
  readonly replicas?: number | undefined;
  readonly what?: string;
  readonly shown?: Json;
  readonly fault?: string;
}

function proposal(metric: Json, pods: readonly JsonObject[], used: Awaited<ReturnType<PodUsage>>): Proposal {
  const name = text(metric, "resource", "name");
  if (text(metric, "type") !== "Resource" || (name !== "cpu" && name !== "memory"))
    return { fault: "the development cluster scales by cpu and memory alone" };
  const share = number(metric, "resource", "target", "averageUtilization");
  const average = text(metric, "resource", "target", "averageValue");
  const wantedOf = (pod: JsonObject): number =>
    share === undefined ? quantityValue(average) : (requestOf(pod, name) * share) / 100;
  const bare = pods.find((pod) => !(wantedOf(pod) > 0));
  if (bare !== undefined)
    return { fault: `failed to get ${name} utilization: missing request for ${name} in Pod ${nameOf(bare)}` };
  const measured = pods.filter((pod) => used.has(uidOf(pod)));
  if (measured.length === 0)
    return { fault: `failed to get ${name} utilization: no metrics returned from resource metrics API` };
  const sum = (of: readonly JsonObject[], value: (pod: JsonObject) => number): number =>
    of.reduce((all, pod) => all + value(pod), 0);
  const use = sum(measured, (pod) => used.get(uidOf(pod))?.[name] ?? 0);
  const ratio = use / sum(measured, wantedOf);
  // Those that nothing is known of yet use nothing where more are wanted, and what they should where fewer are.
  const unknown = sum(pods, wantedOf) - sum(measured, wantedOf);
  const careful = (use + (ratio > 1 ? 0 : unknown)) / sum(pods, wantedOf);
  const isNear = Math.abs(careful - 1) <= tolerance || careful > 1 !== ratio > 1;
  const requested = sum(measured, (pod) => requestOf(pod, name));
  const utilisation = Math.round((100 * use) / requested);
  return {
    what: `${name} resource ${share === undefined ? "" : "utilization (percentage of request)"}`.trim(),
    shown: {
      type: "Resource",
      resource: {
        name,
        current: {
          averageValue:
            name === "cpu" ? `${Math.round((use * 1000) / measured.length)}m` : `${Math.round(use / measured.length)}`,
          ...(share === undefined ? {} : { averageUtilization: utilisation }),
        },
      },
    },
    replicas: isNear ? undefined : Math.ceil(careful * pods.length),
  };
}

function requestOf(pod: JsonObject, name: string): number {
  return list(pod, "spec", "containers").reduce<number>((sum, each) => {
    const asked = text(each, "resources", "requests", name);
    return asked === "" ? Number.NaN : sum + quantityValue(asked);
  }, 0);
}

function report(
  api: Api,
  scaler: JsonObject,
  condition: { readonly type: string; readonly status: string; readonly reason: string; readonly message: string },
  more: JsonObject = {},
): void {
  const ready = {
    type: "AbleToScale",
    status: "True",
    reason: "ReadyForNewScale",
    message: "recommended size matches current size",
  };
  const conditions = (condition.type === "AbleToScale" ? [condition] : [ready, condition]).reduce<readonly Json[]>(
    (all, each) => withCondition(all, each, api.now()),
    list(scaler, "status", "conditions"),
  );
  writeStatus(api, key, scaler, { ...more, conditions });
}
