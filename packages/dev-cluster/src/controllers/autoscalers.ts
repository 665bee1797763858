// HorizontalPodAutoscalers by cpu and memory: as many pods as keep what they use near the target.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import type { Condition } from "../conditions.ts";
import { at, equal, type Json, type JsonObject, list, number, put, text } from "../json.ts";
import { quantityValue } from "../quantity.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { isActive, keyOf, nameOf, namespaceOf, replicasOf, uidOf } from "./objects.ts";

const key = "horizontalpodautoscalers.autoscaling";
const lookMs = 15_000;
/** While nothing is known of its pods, as when they are new. */
const retryMs = 2_000;
/** So near to the target nothing is done. */
const tolerance = 0.1;
const stabilisationSeconds = 300;

/** Cores and bytes, by the UIDs of pods. */
type Uses = ReadonlyMap<string, Readonly<Record<"cpu" | "memory", number>>>;
/** What pods use. */
export type PodUsage = (pods: readonly JsonObject[]) => Promise<Uses>;

/** What was wanted at a time. */
interface Wish {
  readonly time: number;
  readonly replicas: number;
}

export function autoscalers(api: Api, usage: PodUsage): Controller {
  const wishes = new Map<string, readonly Wish[]>();
  return controllerFor(api, {
    name: "horizontal-pod-autoscaler",
    resource: key,
    hears: {
      [key]: (each, { type, previous }) =>
        type === "DELETED" || !equal(each["spec"], previous?.["spec"]) ? [keyOf(each)] : [],
    },
    async sync(scaler, client) {
      const reference = at(scaler, "spec", "scaleTargetRef");
      const target = client.scalable(reference, namespaceOf(scaler));
      if (target === undefined) {
        const message = `no ${text(reference, "name")} to scale`;
        client.writeStatus(scaler, {}, [{ type: "AbleToScale", status: "False", reason: "FailedGetScale", message }]);
        return lookMs;
      }
      const current = replicasOf(target);
      const scale = (replicas: number, why: string): void => {
        client.change(target, (now) => put(now, ["spec", "replicas"], replicas));
        client.tell(scaler, "Normal", "SuccessfulRescale", `New size: ${replicas}; reason: ${why}`);
      };
      const inside = within(scaler, current);
      if (current !== 0 && inside !== current) {
        const limit = inside < current ? "above Spec.MaxReplicas" : "below Spec.MinReplicas";
        scale(inside, `Current number of replicas ${limit}`);
        return retryMs;
      }
      const pods = client.selected(at(target, "spec", "selector"), namespaceOf(scaler)).filter(isActive);
      const used = await usage(pods);
      // Somebody else has scaled it meanwhile: what was measured is of no worth.
      if (replicasOf(client.scalable(reference, namespaceOf(scaler))) !== current) return retryMs;
      const found = list(scaler, "spec", "metrics").map((metric) => proposal(metric, pods, used));
      const disabled = "scaling is disabled since the replica count of the target is zero";
      const fault = current === 0 ? disabled : found.find((each) => each.fault !== undefined)?.fault;
      if (fault !== undefined) {
        const reason = current === 0 ? "ScalingDisabled" : "FailedGetResourceMetric";
        report(client, scaler, { status: "False", reason, message: fault }, { currentReplicas: current });
        return current === 0 ? lookMs : retryMs;
      }
      const wanted = Math.max(...found.map(({ replicas }) => replicas ?? current));
      // Not more than twice as many at once, or four more.
      const allowed = within(scaler, Math.min(wanted, Math.max(2 * current, current + 4)));
      const time = client.now();
      // As many as there are when it is first seen were wanted.
      const before = wishes.get(keyOf(scaler)) ?? [{ time, replicas: current }];
      const recent = recentWishes(scaler, before, { time, replicas: allowed });
      wishes.set(keyOf(scaler), recent);
      const highest = Math.max(...recent.map((each) => each.replicas));
      const replicas = allowed >= current ? allowed : within(scaler, Math.min(current, highest));
      if (replicas !== current) {
        const what = found.find((each) => each.replicas === wanted)?.what;
        scale(replicas, replicas > current ? `${what} above target` : "All metrics below target");
      }
      const message = "the HPA was able to successfully calculate a replica count";
      const fields = {
        currentReplicas: current,
        desiredReplicas: replicas,
        currentMetrics: found.flatMap(({ shown }) => shown ?? []),
        ...(replicas === current ? {} : { lastScaleTime: timestamp(client.now()) }),
      };
      report(client, scaler, { status: "True", reason: "ValidMetricFound", message }, fields);
      return lookMs;
    },
    gone: (scaler) => void wishes.delete(scaler),
  });
}

function within(scaler: JsonObject, replicas: number): number {
  const most = number(scaler, "spec", "maxReplicas") ?? replicas;
  return Math.min(most, Math.max(number(scaler, "spec", "minReplicas") ?? 1, replicas));
}

/** The highest of these is kept for a while. */
function recentWishes(scaler: JsonObject, before: readonly Wish[], newest: Wish): readonly Wish[] {
  const asked = number(scaler, "spec", "behavior", "scaleDown", "stabilizationWindowSeconds");
  const since = newest.time - (asked ?? stabilisationSeconds) * 1000;
  return [...before.filter(({ time }) => time > since), newest];
}

interface Proposal {
  /** undefined: as many as there are. */
  readonly replicas?: number | undefined;
  readonly what?: string;
  readonly shown?: Json;
  readonly fault?: string;
}

function proposal(metric: Json, pods: readonly JsonObject[], used: Uses): Proposal {
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
  const mean = use / measured.length;
  const averageValue = name === "cpu" ? `${Math.round(mean * 1000)}m` : `${Math.round(mean)}`;
  const requested = sum(measured, (pod) => requestOf(pod, name));
  const averageUtilization = share === undefined ? undefined : Math.round((100 * use) / requested);
  return {
    what: share === undefined ? `${name} resource` : `${name} resource utilization (percentage of request)`,
    shown: { type: "Resource", resource: { name, current: { averageValue, averageUtilization } } },
    replicas: isNear ? undefined : Math.ceil(careful * pods.length),
  };
}

function requestOf(pod: JsonObject, name: string): number {
  return list(pod, "spec", "containers").reduce<number>((sum, each) => {
    const asked = text(each, "resources", "requests", name);
    return asked === "" ? Number.NaN : sum + quantityValue(asked);
  }, 0);
}

function report(client: Client, scaler: JsonObject, active: Omit<Condition, "type">, fields: JsonObject): void {
  const message = "recommended size matches current size";
  const able = { type: "AbleToScale", status: "True", reason: "ReadyForNewScale", message };
  client.writeStatus(scaler, fields, [able, { type: "ScalingActive", ...active }]);
}
