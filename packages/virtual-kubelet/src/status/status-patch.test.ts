import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ContainerStatus, PodCondition, PodStatus } from "../kube/types.gen.ts";
import { fullStatus, statusPatch } from "./status-patch.ts";

type Json = { [key: string]: unknown };

const mergeKeys: Readonly<Record<string, string>> = { conditions: "type", hostIPs: "ip", podIPs: "ip" };

function record(value: unknown): Json {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value));
  return Object.fromEntries(Object.entries(value));
}

function records(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(record) : [];
}

/** Strategic merge as the API server does it, as far as a pod's status goes. */
function merged(target: Json, patch: Json): Json {
  const out: Json = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    const mergeKey = mergeKeys[key];
    if (value === null) delete out[key];
    else if (mergeKey === undefined) out[key] = value;
    else out[key] = mergedList(records(out[key]), records(value), mergeKey);
  }
  return out;
}

function mergedList(target: readonly Json[], patch: readonly Json[], mergeKey: string): Json[] {
  const items = patch.filter((item) => item["$patch"] !== "replace");
  if (items.length < patch.length) return items;
  const out = [...target];
  for (const item of items) {
    const at = out.findIndex((one) => one[mergeKey] === item[mergeKey]);
    const there = out[at];
    if (item["$patch"] === "delete") out.splice(at, at < 0 ? 0 : 1);
    else if (there === undefined) out.push(item);
    else out[at] = merged(there, item);
  }
  return out;
}

const byType = (conditions: readonly PodCondition[] | undefined): readonly PodCondition[] =>
  [...(conditions ?? [])].sort((a, b) => (a.type < b.type ? -1 : 1));

const time = fc.constantFrom("2026-11-22T17:00:00Z", "2026-11-22T17:00:01Z");
const own = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] as const;

const condition = (types: readonly string[]): fc.Arbitrary<PodCondition> =>
  fc.record(
    {
      type: fc.constantFrom(...types),
      status: fc.constantFrom("True", "False"),
      reason: fc.constantFrom("A", "B"),
      message: fc.constantFrom("x", "y"),
      lastTransitionTime: time,
      observedGeneration: fc.integer({ min: 1, max: 3 }),
    },
    { requiredKeys: ["type", "status"], noNullPrototype: true },
  );
const conditions = (types: readonly string[]): fc.Arbitrary<PodCondition[]> =>
  fc.uniqueArray(condition(types), { selector: ({ type }) => type });
const ips = (values: readonly string[]): fc.Arbitrary<{ ip: string }[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 }).map((list) => list.map((ip) => ({ ip })));
const container: fc.Arbitrary<ContainerStatus> = fc.record(
  {
    name: fc.constantFrom("a", "b"),
    image: fc.constant("i"),
    imageID: fc.constant(""),
    ready: fc.boolean(),
    restartCount: fc.nat(2),
    state: fc.constantFrom({ running: { startedAt: "2026-11-22T17:00:00Z" } }, { waiting: { reason: "R" } }),
  },
  { noNullPrototype: true },
);
const containers = fc.uniqueArray(container, { selector: ({ name }) => name, minLength: 1 });

const status = (types: readonly string[]): fc.Arbitrary<PodStatus> =>
  fc.record(
    {
      phase: fc.constantFrom("Pending", "Running"),
      reason: fc.constantFrom("A", "B"),
      message: fc.constantFrom("x", "y"),
      observedGeneration: fc.integer({ min: 1, max: 3 }),
      hostIPs: ips(["10.0.0.1", "10.0.0.2", "fd00::1"]),
      podIPs: ips(["10.1.0.1", "10.1.0.2", "fd00::2"]),
      podIP: fc.constantFrom("10.1.0.1", "10.1.0.2"),
      conditions: conditions(types),
      containerStatuses: containers,
      initContainerStatuses: containers,
    },
    { requiredKeys: [], noNullPrototype: true },
  );

describe("statusPatch", () => {
  it("turns the current status into the next one and keeps what others wrote", () => {
    fc.assert(
      fc.property(status([...own, "example.com/gate", "DisruptionTarget"]), status(own), (current, next) => {
        const patch = statusPatch(current, next, "u");
        const after = merged(record(current), record(patch?.status ?? {}));
        const foreign = (current.conditions ?? []).filter(({ type }) => !own.some((one) => one === type));
        const expected = byType([...foreign, ...(next.conditions ?? [])]);
        assert.deepEqual(
          { ...after, conditions: byType(records(after["conditions"]).map(asCondition)) },
          { ...next, conditions: expected },
          JSON.stringify(patch),
        );
        assert.equal(statusPatch({ ...next, conditions: expected }, next, "u"), undefined);
        assert.deepEqual(byType(fullStatus(current, next).conditions), expected);
      }),
      { numRuns: 500 },
    );
  });

  it("is undefined for equal statuses, also with the nulls the API server writes for unset times", () => {
    fc.assert(
      fc.property(status(own), (one) => {
        assert.equal(statusPatch(structuredClone(one), one, "u"), undefined);
      }),
    );
    const next: PodStatus = { conditions: [{ type: "Ready", status: "True" }] };
    const stored: unknown = JSON.parse('{"conditions":[{"type":"Ready","status":"True","lastProbeTime":null}]}');
    assert.equal(statusPatch(record(stored), next, "u"), undefined);
  });

  it("holds the UID and only what changed", () => {
    const current: PodStatus = {
      phase: "Pending",
      qosClass: "BestEffort",
      reason: "ProviderFailed",
      podIP: "10.1.0.1",
      podIPs: [{ ip: "10.1.0.1" }],
      startTime: "2026-11-22T17:00:00Z",
      conditions: [
        { type: "Ready", status: "False", reason: "ContainersNotReady", lastTransitionTime: "2026-11-22T17:00:00Z" },
        { type: "PodScheduled", status: "True" },
      ],
    };
    const next: PodStatus = {
      ...current,
      phase: "Running",
      startTime: "2026-11-22T17:00:09Z",
      podIP: "10.1.0.2",
      podIPs: [{ ip: "10.1.0.2" }],
      conditions: [
        { type: "Ready", status: "True", lastTransitionTime: "2026-11-22T17:00:01Z" },
        { type: "PodScheduled", status: "True" },
      ],
    };
    const { reason: _, ...withoutReason } = next;
    assert.deepEqual(statusPatch(current, withoutReason, "u-1"), {
      metadata: { uid: "u-1" },
      status: {
        phase: "Running",
        reason: null,
        podIP: "10.1.0.2",
        podIPs: [{ ip: "10.1.0.2" }, { $patch: "replace" }],
        conditions: [{ type: "Ready", status: "True", reason: null, lastTransitionTime: "2026-11-22T17:00:01Z" }],
      },
    });
  });

  it("writes everything of a first status", () => {
    const next: PodStatus = { phase: "Pending", startTime: "2026-11-22T17:00:00Z", hostIPs: [{ ip: "10.0.0.1" }] };
    assert.deepEqual(statusPatch(undefined, next, "u"), { metadata: { uid: "u" }, status: next });
  });
});

describe("fullStatus", () => {
  it("keeps fields of others and the first start time, and drops ours that ended", () => {
    const current: PodStatus = {
      phase: "Pending",
      reason: "ProviderFailed",
      qosClass: "Burstable",
      startTime: "2026-11-22T17:00:00Z",
      resourceClaimStatuses: [{ name: "gpu" }],
      conditions: [{ type: "example.com/gate", status: "True" }],
    };
    const next: PodStatus = { phase: "Running", startTime: "2026-11-22T18:00:00Z" };
    assert.deepEqual(fullStatus(current, next), {
      phase: "Running",
      qosClass: "Burstable",
      startTime: "2026-11-22T17:00:00Z",
      resourceClaimStatuses: [{ name: "gpu" }],
      conditions: [{ type: "example.com/gate", status: "True" }],
    });
  });
});

function asCondition(value: Json): PodCondition {
  const { type, status: value_, ...rest } = value;
  assert.ok(typeof type === "string" && typeof value_ === "string");
  return { type, status: value_, ...rest };
}
