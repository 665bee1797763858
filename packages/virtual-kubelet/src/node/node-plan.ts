// What to write so that the Node in the API becomes the one we want: desired and observed in, patches out. Pure.
import { compareQuantities } from "../kube/quantity.ts";
import type { Node, NodeCondition, NodeStatus, Quantity, Taint } from "../kube/types.gen.ts";
import { type DesiredNode, taintId } from "./node-object.ts";
import { leftoverTaints, type Ours, oursAnnotation, oursOf, writeOurs } from "./node-ours.ts";

type Patch = Readonly<Record<string, unknown>>;

export interface PlanInput {
  readonly desired: DesiredNode;
  readonly observed: Node;
  /** What was ours before: to be removed where it is wanted no more. */
  readonly before: Ours;
  /** Labels that must not be touched, e.g. by a node's own credentials, are left as they are. */
  readonly mayLabel: (key: string) => boolean;
}

/** Labels and annotations to set, or with null to remove; undefined when all is as it should be. */
export function metadataPatch({ desired, observed, before, mayLabel }: PlanInput): Patch | undefined {
  const leftovers = leftoverTaints(observed, desired, before).map(taintId);
  const now = oursOf(desired);
  const ours = writeOurs({ ...now, taints: [...new Set([...now.taints, ...leftovers])].sort() });
  const labels = mapPatch(desired.metadata.labels, observed.metadata?.labels, before.labels);
  const annotations = mapPatch(
    { ...desired.metadata.annotations, ...(ours === undefined ? {} : { [oursAnnotation]: ours }) },
    observed.metadata?.annotations,
    [...before.annotations, oursAnnotation],
  );
  const allowed = Object.fromEntries(Object.entries(labels).filter(([key]) => mayLabel(key)));
  const patch = {
    ...(isEmpty(allowed) ? {} : { labels: allowed }),
    ...(isEmpty(annotations) ? {} : { annotations }),
  };
  return isEmpty(patch) ? undefined : patch;
}

export interface SpecPlan {
  /** Merge patch of `spec`; undefined when all is as it should be. */
  readonly patch: Patch | undefined;
  /** What an administrator runs to the same end: the node's own credentials may not change its taints. */
  readonly command: string | undefined;
  /** Set when the Node has another providerID, which the API lets nobody change. */
  readonly foreignProviderID: string | undefined;
}

export function planSpec({ desired, observed, before }: PlanInput): SpecPlan {
  const present = observed.spec?.taints ?? [];
  const wanted = new Map((desired.spec?.taints ?? []).map((taint) => [taintId(taint), taint]));
  const leftovers = new Set(leftoverTaints(observed, desired, before).map(taintId));
  const presentIds = new Set(present.map(taintId));
  const isOther = (taint: Taint): boolean => {
    const want = wanted.get(taintId(taint));
    return want !== undefined && (want.value ?? "") !== (taint.value ?? "");
  };
  const missing = [...wanted.values()].filter((taint) => !presentIds.has(taintId(taint)));
  const changed = present.filter(isOther);
  const taintsDiffer = leftovers.size + missing.length + changed.length > 0;
  const taints = [
    ...present
      .filter((taint) => !leftovers.has(taintId(taint)))
      .map((taint) => (isOther(taint) ? (wanted.get(taintId(taint)) ?? taint) : taint)),
    ...missing,
  ];
  const words = [
    ...missing.map(taintWord),
    ...changed.map((taint) => taintWord(wanted.get(taintId(taint)) ?? taint)),
    ...[...leftovers].map((id) => `${id}-`),
  ];
  const providerID = desired.spec?.providerID;
  const presentID = observed.spec?.providerID ?? "";
  const setProviderID = providerID !== undefined && presentID === "" && providerID !== "";
  return {
    patch:
      taintsDiffer || setProviderID
        ? { ...(taintsDiffer ? { taints } : {}), ...(setProviderID ? { providerID } : {}) }
        : undefined,
    command: taintsDiffer ? `kubectl taint nodes ${desired.metadata.name} --overwrite ${words.join(" ")}` : undefined,
    foreignProviderID: providerID !== undefined && presentID !== "" && presentID !== providerID ? presentID : undefined,
  };
}

const taintWord = ({ key, value = "", effect }: Taint): string => `${key}${value === "" ? "" : `=${value}`}:${effect}`;

export interface StatusPlan {
  /** Strategic merge patch of `status`: what changed, and the heartbeat of every condition of ours. */
  readonly patch: Patch;
  /** False: only heartbeats, to be written when one is due. */
  readonly changed: boolean;
  /** The change without its times: the same text twice means that the API server did not take it the first time. */
  readonly fingerprint: string;
  /** Conditions that take another status with this patch, or are new. */
  readonly transitions: readonly NodeCondition[];
}

/** `now` in epoch milliseconds. */
export function planStatus({ desired, observed, before }: PlanInput, now: number): StatusPlan {
  const want = desired.status ?? {};
  const have = observed.status ?? {};
  const time = kubeTime(now);
  const conditions = conditionsPatch(want.conditions ?? [], have.conditions ?? [], before.conditions, time);
  const changes: Patch = {
    ...addressesPatch(want, have),
    ...optional("capacity", quantitiesPatch(want.capacity, have.capacity, before.resources)),
    ...optional("allocatable", quantitiesPatch(want.allocatable, have.allocatable, before.resources)),
    ...optional("nodeInfo", objectPatch({ ...want.nodeInfo }, { ...have.nodeInfo })),
    ...(want.daemonEndpoints === undefined ||
    want.daemonEndpoints.kubeletEndpoint?.Port === have.daemonEndpoints?.kubeletEndpoint?.Port
      ? {}
      : { daemonEndpoints: want.daemonEndpoints }),
    ...listPatch("declaredFeatures", want.declaredFeatures, have.declaredFeatures),
    ...listPatch("images", want.images, have.images),
    ...optional("features", objectPatch({ ...want.features }, { ...have.features })),
    ...listPatch("runtimeHandlers", want.runtimeHandlers, have.runtimeHandlers),
  };
  const changed = conditions.changes.length > 0 || !isEmpty(changes);
  return {
    patch: { ...changes, ...conditions.patch },
    changed,
    fingerprint: changed ? JSON.stringify([changes, conditions.changes]) : "",
    transitions: conditions.transitions,
  };
}

/** The node with times on its conditions, for its creation. */
export function nodeToCreate(desired: DesiredNode, mayLabel: (key: string) => boolean, now: number): Node {
  const time = kubeTime(now);
  const ours = writeOurs(oursOf(desired));
  const { labels, annotations } = desired.metadata;
  return {
    ...desired,
    metadata: {
      ...desired.metadata,
      labels: Object.fromEntries(Object.entries(labels).filter(([key]) => mayLabel(key))),
      annotations: { ...annotations, ...(ours === undefined ? {} : { [oursAnnotation]: ours }) },
    },
    status: {
      ...desired.status,
      conditions: (desired.status?.conditions ?? []).map((condition) => ({
        ...condition,
        lastHeartbeatTime: time,
        lastTransitionTime: time,
      })),
    },
  };
}

/** RFC 3339, whole seconds. */
const kubeTime = (now: number): string => new Date(now).toISOString().replace(/\.\d+Z$/, "Z");

function conditionsPatch(
  want: readonly NodeCondition[],
  have: readonly NodeCondition[],
  before: readonly string[],
  time: string,
): { readonly patch: Patch; readonly changes: readonly unknown[]; readonly transitions: readonly NodeCondition[] } {
  const observed = new Map(have.map((condition) => [condition.type, condition]));
  const wanted = new Set(want.map(({ type }) => type));
  const changes: unknown[] = [];
  const transitions: NodeCondition[] = [];
  const list: unknown[] = want.map((condition) => {
    const { type, status, reason = "", message = "" } = condition;
    const old = observed.get(type);
    if (old?.status === status && (old.reason ?? "") === reason && (old.message ?? "") === message) {
      return { type, lastHeartbeatTime: time };
    }
    changes.push({ type, status, reason, message });
    if (old?.status !== status) transitions.push(condition);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? time) : time;
    return { type, status, reason, message, lastHeartbeatTime: time, lastTransitionTime };
  });
  for (const type of before) {
    if (wanted.has(type) || !observed.has(type)) continue;
    changes.push(type);
    list.push({ $patch: "delete", type });
  }
  const isNew = want.some(({ type }) => !observed.has(type));
  // Ours come last, and Ready as the very last, wherever the others' stand.
  const order = [...have.filter(({ type }) => !wanted.has(type) && !before.includes(type)), ...want];
  return {
    patch: {
      ...(isNew ? { "$setElementOrder/conditions": order.map(({ type }) => ({ type })) } : {}),
      conditions: list,
    },
    changes,
    transitions,
  };
}

/** The API merges addresses by type, so that two of one type need the whole list to be replaced. */
function addressesPatch(want: NodeStatus, have: NodeStatus): Patch {
  if (want.addresses === undefined) return {};
  const text = (status: NodeStatus): string =>
    JSON.stringify((status.addresses ?? []).map(({ type, address }) => [type, address]));
  return text(want) === text(have) ? {} : { addresses: [...want.addresses, { $patch: "replace" }] };
}

function quantitiesPatch(
  want: Readonly<Record<string, Quantity>> | undefined,
  have: Readonly<Record<string, Quantity>> | undefined,
  before: readonly string[],
): Patch {
  const changed = Object.entries(want ?? {}).filter(([key, value]) => {
    const old = have?.[key];
    // By value: the API server rewrites the text ("0.5" as "500m").
    return old === undefined || (old !== value && compareQuantities(old, value) !== 0);
  });
  return { ...Object.fromEntries(changed), ...removals(want, have, before) };
}

function mapPatch(
  want: Readonly<Record<string, string>>,
  have: Readonly<Record<string, string>> | undefined,
  before: readonly string[],
): Patch {
  return { ...objectPatch(want, { ...have }), ...removals(want, have, before) };
}

function removals(want: Patch | undefined, have: Patch | undefined, before: readonly string[]): Patch {
  const gone = before.filter((key) => want?.[key] === undefined && have?.[key] !== undefined);
  return Object.fromEntries(gone.map((key) => [key, null]));
}

function objectPatch(want: Patch, have: Patch): Patch {
  return Object.fromEntries(
    Object.entries(want).filter(
      ([key, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(have[key]),
    ),
  );
}

function listPatch(name: string, want: readonly unknown[] | undefined, have: readonly unknown[] | undefined): Patch {
  if (want === undefined && (name !== "declaredFeatures" || have === undefined || have.length === 0)) return {};
  return JSON.stringify(want ?? []) === JSON.stringify(have ?? []) ? {} : { [name]: want ?? [] };
}

const optional = (name: string, patch: Patch): Patch => (isEmpty(patch) ? {} : { [name]: patch });

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
