// What has to be written to turn the API's status of a pod into the computed one: a strategic merge patch of the
// differences, or a whole status where patches cannot be used. What others write is left alone.
import type { PodCondition, PodStatus } from "../kube/types.gen.ts";
import { ownConditions } from "./conditions.ts";

/** Body of `PATCH pods/{name}/status` with `application/strategic-merge-patch+json`. */
export interface StatusPatch {
  /** Makes the API server refuse the patch (422) for a pod that was made anew under the name. */
  readonly metadata: { readonly uid: string };
  readonly status: Readonly<Record<string, unknown>>;
}

type StatusKey = keyof PodStatus;

/** Single values. qosClass is the API server's alone; startTime is written once. */
const scalars: readonly StatusKey[] = ["phase", "reason", "message", "observedGeneration", "hostIP", "podIP"];
/** Each resource by its name; none ever goes. */
const quantities: readonly StatusKey[] = ["resources", "allocatedResources"];
/** Merged by `ip`, so that an address that goes, or their order, takes a replacement of the list. */
const addressLists = ["hostIPs", "podIPs"] as const;
/** Replaced whole by the API server. */
const containerLists: readonly StatusKey[] = [
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
];

/** The differences from `current` to `next`; undefined when there are none. */
export function statusPatch(current: PodStatus | undefined, next: PodStatus, uid: string): StatusPatch | undefined {
  const before = current ?? {};
  let patch: Record<string, unknown> | undefined;
  const set = (key: StatusKey, value: unknown): void => {
    patch ??= {};
    patch[key] = value;
  };
  for (const key of [...scalars, ...quantities]) {
    if (!same(before[key], next[key])) set(key, next[key] ?? null);
  }
  if (!before.startTime && next.startTime) set("startTime", next.startTime);
  for (const key of addressLists) {
    if (same(before[key], next[key])) continue;
    const kept = before[key]?.every(({ ip }, index) => next[key]?.[index]?.ip === ip) ?? true;
    const addresses = next[key] ?? [];
    set(key, addresses.length === 0 ? null : kept ? addresses : [...addresses, { $patch: "replace" }]);
  }
  const conditions = conditionsPatch(before.conditions, next.conditions);
  if (conditions !== undefined) set("conditions", conditions);
  for (const key of containerLists) {
    if (!same(before[key], next[key])) set(key, next[key] ?? null);
  }
  return patch === undefined ? undefined : { metadata: { uid }, status: patch };
}

/** `next` as a whole status for PUT: with what others have written into `current`. */
export function fullStatus(current: PodStatus | undefined, next: PodStatus): PodStatus {
  const own = new Set<string>([...scalars, ...quantities, ...addressLists, ...containerLists, "conditions"]);
  const foreign = Object.fromEntries(Object.entries(current ?? {}).filter(([key]) => !own.has(key)));
  const others = (current?.conditions ?? []).filter(
    ({ type }) => !ownConditions.has(type) && !next.conditions?.some((one) => one.type === type),
  );
  const conditions = [...others, ...(next.conditions ?? [])];
  return { ...next, ...foreign, ...(conditions.length > 0 ? { conditions } : {}) };
}

/** Conditions are merged by type, and field by field within one. */
function conditionsPatch(
  current: readonly PodCondition[] | undefined,
  next: readonly PodCondition[] | undefined,
): readonly unknown[] | undefined {
  let patch: unknown[] | undefined;
  for (const condition of next ?? []) {
    const before = current?.find((one) => one.type === condition.type);
    if (before !== undefined && same(before, condition)) continue;
    patch ??= [];
    patch.push(before === undefined ? condition : conditionPatch(before, condition));
  }
  for (const { type } of current ?? []) {
    if (!ownConditions.has(type) || next?.some((one) => one.type === type)) continue;
    patch ??= [];
    patch.push({ $patch: "delete", type });
  }
  return patch;
}

function conditionPatch(before: PodCondition, next: PodCondition): Record<string, unknown> {
  const patch: Record<string, unknown> = { type: next.type };
  const keys: readonly (keyof PodCondition)[] = [
    "status",
    "reason",
    "message",
    "lastTransitionTime",
    "lastProbeTime",
    "observedGeneration",
  ];
  for (const key of keys) {
    if (!same(before[key], next[key])) patch[key] = next[key] ?? null;
  }
  return patch;
}

/** Equal as JSON, where null (an unset time, as the API server writes it) and an empty list are the same as absent. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (absent(a) || absent(b)) return absent(a) && absent(b);
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) if (!same(a[index], b[index])) return false;
    return true;
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  for (const key in a) if (!same(a[key], b[key])) return false;
  for (const key in b) if (!(key in a) && !absent(b[key])) return false;
  return true;
}

function absent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
