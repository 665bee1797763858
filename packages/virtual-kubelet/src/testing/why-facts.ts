// What is known of one pod, for tests of what `why` makes of it: a healthy node, and what the test says.
import type { WhyFacts } from "../diagnosis/why-facts.ts";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Event, Lease, Node, PodSpec, PodStatus } from "../kube/types.gen.ts";

export const now: number = Date.parse("2026-01-01T00:10:00Z");
export const at = (secondsAgo: number): string => new Date(now - secondsAgo * 1000).toISOString();
const meta = { name: "web", namespace: "default", uid: "u", resourceVersion: "1", creationTimestamp: at(300) };

export interface Shape {
  readonly spec?: Partial<PodSpec>;
  readonly status?: Partial<PodStatus>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly events?: readonly Partial<Event>[];
  /** Absent: it is there, Ready, with a fresh lease. null: there is none. */
  readonly node?: { readonly status: string; readonly reason?: string; readonly message?: string } | null;
  readonly leaseSecondsAgo?: number;
}

export function factsOf({
  spec,
  status,
  metadata,
  events = [],
  node = { status: "True" },
  leaseSecondsAgo = 3,
}: Shape): WhyFacts {
  const nodeObject: Stored<Node> = {
    metadata: { ...meta, name: "vk" },
    status: { conditions: [{ type: "Ready", ...node, status: node?.status ?? "" }] },
  };
  const lease: Stored<Lease> = {
    metadata: { ...meta, name: "vk" },
    spec: { renewTime: at(leaseSecondsAgo), leaseDurationSeconds: 40 },
  };
  return {
    pod: {
      metadata: { ...meta, ...metadata },
      spec: { nodeName: "vk", containers: [{ name: "c" }], ...spec },
      status: { phase: "Pending", ...status },
    },
    events: {
      value: events.map((event) => ({
        type: "Warning",
        ...event,
        metadata: meta,
        involvedObject: { fieldPath: "spec.containers{c}" },
      })),
    },
    node: { value: node === null ? undefined : nodeObject },
    lease: { value: lease },
    now,
  };
}

export const container = (fields: Partial<ContainerStatus>): ContainerStatus => ({
  ...{ name: "c", image: "x", imageID: "", ready: false, restartCount: 0 },
  ...fields,
});
