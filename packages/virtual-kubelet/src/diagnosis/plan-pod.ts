// What one pod would become on one node, without a cluster: what refuses it, and else its containers in order, amounts and
// volumes. Pure. Values of secrets are not in it.

import { budgetExceeded } from "../budget/room.ts";
import { podResources } from "../engine/runtime-specs.ts";
import { containersToRun, type OrderedContainer } from "../engine/start-order.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Node, Pod, PodSpec, ResourceRequirements } from "../kube/types.gen.ts";
import { admit } from "../pod/admission.ts";
import { omissions, refusals, withoutOmissions } from "../pod/capabilities.ts";
import { tolerates } from "../pod/node-match.ts";
import type { ProviderDescription } from "../provider.ts";
import { resolvePod } from "../resolve/resolve-pod.ts";
import type { Sources } from "../resolve/sources.ts";
import { takesClaims } from "../resolve/volume-claim.ts";
import type { Resolution } from "../resolved-pod.ts";
import { isSidecar } from "../status/restart-policy.ts";
import { withoutName } from "./node-names.ts";
import type { CostVerdict, PlannedCost } from "./plan-cost.ts";
import { type ContainerPlan, containerPlans, type VolumePlan, volumePlans } from "./plan-parts.ts";
import { withDefaults } from "./pod-defaults.ts";

export interface PlanTarget {
  readonly node: Stored<Node>;
  readonly provider: string;
  readonly description: ProviderDescription;
  readonly clusterDomain: string;
  /** Where prices are configured. */
  readonly costs?: ((pod: Pod) => CostVerdict) | undefined;
}

export interface PlanRefusal {
  /** `reason` that the pod's status would have. */
  readonly reason: string;
  readonly field?: string | undefined;
  readonly message: string;
}

export interface PodPlan {
  readonly origin: string;
  readonly namespace: string;
  readonly name: string;
  /** Those on which it would become this. Where there are several, NODE stands for the name of each. */
  readonly nodes: readonly string[];
  readonly provider: string;
  readonly fits: boolean;
  readonly refusals: readonly PlanRefusal[];
  /** What it runs without, and what the scheduler makes of it. */
  readonly notes: readonly string[];
  /** What it refers to and what is not in the file: without it the pod waits. */
  readonly needs: readonly string[];
  /** Names of containers that start together, in the order of these groups. */
  readonly order: readonly (readonly string[])[];
  readonly containers: readonly ContainerPlan[];
  readonly volumes: readonly VolumePlan[];
  /** Of the whole pod, as the scheduler counts. */
  readonly resources: ResourceRequirements;
  /** Where prices are configured. */
  readonly cost?: PlannedCost | undefined;
  readonly qosClass: string;
  readonly restartPolicy: string;
  readonly terminationGracePeriodSeconds: number;
}

export function planPod(origin: string, given: Pod, target: PlanTarget, sources: Sources): PodPlan {
  const pod = boundTo(withDefaults(given), target.node.metadata.name);
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const { node, provider, description } = target;
  const { capabilities } = description;
  const known = takesClaims(capabilities) ? sources : { ...sources, claim: undefined };
  const resolve = (of: Stored<Pod>): Resolution | undefined =>
    capabilities.resolve === true ? resolvePod(of, known, { clusterDomain: target.clusterDomain }) : undefined;
  const resolution = resolve(pod);
  const handed = withoutOmissions(pod, capabilities);
  const asHanded = handed === pod ? resolution : resolve(handed);
  const { cost, tooMuch } = target.costs?.(pod) ?? {};
  const refused = [
    ...refusalsOf(pod, target, resolution, { pod: handed, resolution: asHanded }),
    ...(tooMuch === undefined ? [] : [{ reason: budgetExceeded, message: tooMuch }]),
  ];
  return {
    ...{
      origin,
      namespace: pod.metadata.namespace ?? "",
      name: pod.metadata.name,
      nodes: [node.metadata.name],
      provider,
    },
    fits: refused.length === 0,
    refusals: refused,
    notes: [...notesOf(pod, target), ...(refused.length === 0 ? (description.notes?.(pod) ?? []) : [])],
    needs:
      resolution?.type === "missing"
        ? [...new Set(resolution.faults.map(({ field, message }) => `${message} (${field})`))]
        : [],
    order: startOrder(spec),
    containers: containerPlans(pod, resolvedOf(resolution)),
    volumes: volumePlans(
      spec,
      resolvedOf(resolution),
      new Map(refused.map(({ field = "", message }) => [field, message])),
    ),
    resources: podResources(pod),
    ...(cost === undefined ? {} : { cost }),
    qosClass: pod.status?.qosClass ?? "",
    restartPolicy: spec.restartPolicy ?? "Always",
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
  };
}

/** As the scheduler would. */
function boundTo(pod: Stored<Pod>, nodeName: string): Stored<Pod> {
  return pod.spec === undefined ? pod : { ...pod, spec: { ...pod.spec, nodeName } };
}

const resolvedOf = (
  resolution: Resolution | undefined,
): Extract<Resolution, { type: "ready" }>["resolved"] | undefined =>
  resolution?.type === "ready" ? resolution.resolved : resolution?.type === "missing" ? resolution.partial : undefined;

function refusalsOf(
  pod: Stored<Pod>,
  { node, description }: PlanTarget,
  resolution: Resolution | undefined,
  handed: { readonly pod: Stored<Pod>; readonly resolution: Resolution | undefined },
): PlanRefusal[] {
  const admission = admit(pod, { object: node, used: new Map(), pods: 0, hostPorts: () => [] });
  const own: PlanRefusal[] = [];
  const lacking = refusals(pod, description.capabilities);
  try {
    // What is refused already would be refused twice.
    const isWhole = handed.resolution?.type === "ready" && lacking.length === 0;
    description.admit?.(handed.pod, isWhole ? resolvedOf(handed.resolution) : undefined);
  } catch (error) {
    const { reason = "PodFeatureUnsupported", field } = VirtualKubeletError.from(error);
    own.push({ reason, field, message: errorText(error) });
  }
  return [
    ...lacking.map((fault) => ({ reason: "PodFeatureUnsupported", ...fault })),
    ...(admission === undefined ? [] : [admission]),
    ...own,
    ...(resolution?.type === "refused"
      ? [{ reason: "PodFeatureUnsupported", field: resolution.field, message: resolution.message }]
      : []),
  ];
}

function notesOf(pod: Stored<Pod>, { node, description }: PlanTarget): string[] {
  const { spec } = pod;
  const taints = (node.spec?.taints ?? []).filter(
    ({ effect, ...taint }) => effect === "NoSchedule" && !tolerates(spec?.tolerations, { ...taint, effect }),
  );
  const { volumes } = description.capabilities;
  const omitted = omissions(pod, description.capabilities);
  // The API server adds the volume; of one that is in the file already it is told with its field.
  const tokenless =
    volumes !== undefined &&
    !volumes.includes("projected") &&
    spec?.automountServiceAccountToken !== false &&
    omitted.length === 0;
  return [
    ...taints.map(
      ({ key }) =>
        `the scheduler brings it here only with a toleration: tolerations: [{key: ${key}, operator: Exists}]`,
    ),
    ...omitted.map(({ field, message }) => `${field}: ${message}`),
    ...(description.node === undefined
      ? ["how much the node has is known to the backend alone: its configured size counts here"]
      : []),
    ...(tokenless ? ["the backend takes no projected volumes: the pod has no ServiceAccount token"] : []),
  ];
}

/** As if each init container succeeded and each sidecar came up at once. */
function startOrder(spec: PodSpec): string[][] {
  const init = spec.initContainers ?? [];
  const roles = new Map([
    ...init.map((container) => [container.name, isSidecar(container) ? "sidecar" : "init"] as const),
    ...spec.containers.map(({ name }) => [name, "main"] as const),
  ]);
  const groups: string[][] = [];
  const begun = new Set<string>();
  for (;;) {
    const all = [...roles].map(
      ([name, role]): OrderedContainer => ({
        ...{ name, role },
        succeeded: role === "init" && begun.has(name),
        started: begun.has(name),
      }),
    );
    const next = [...containersToRun(all, false)].filter((name) => !begun.has(name));
    if (next.length === 0) return groups;
    groups.push(next);
    for (const name of next) begun.add(name);
  }
}

/** Plans of one pod for several nodes; what is the same on several of them becomes one. */
export function shared(plans: readonly PodPlan[]): readonly PodPlan[] {
  const groups = new Map<string, PodPlan>();
  for (const plan of plans) {
    const [node = ""] = plan.nodes;
    const common: PodPlan = JSON.parse(withoutName(JSON.stringify({ ...plan, nodes: [] }), node));
    const key = JSON.stringify(common);
    const before = groups.get(key);
    groups.set(key, before === undefined ? plan : { ...common, nodes: [...before.nodes, node] });
  }
  return [...groups.values()];
}
