// What a backend says of its node. Types and docs only. Serialisable.
import type {
  ContainerImage,
  NodeAddress,
  NodeCondition,
  NodeFeatures,
  NodeRuntimeHandler,
  NodeSystemInfo,
  Quantity,
  Taint,
} from "../kube/types.gen.ts";

/** One probe of one container run. */
export interface ProbeLabels {
  readonly probeType: "Liveness" | "Readiness" | "Startup";
  readonly container: string;
  readonly pod: string;
  readonly namespace: string;
  readonly podUID: string;
}

/** Counted since the container's probe began. */
export interface ProbeMetrics {
  readonly results: readonly (ProbeLabels & {
    readonly result: "successful" | "failed" | "unknown";
    readonly count: number;
  })[];
  readonly durations: readonly (ProbeLabels & {
    /** Upper bound in seconds, ascending, and how many took no longer; the last need not be infinite. */
    readonly buckets: readonly (readonly [number, number])[];
    readonly count: number;
    readonly sumSeconds: number;
  })[];
}

/** The node as the backend sees it. Absent fields leave what is configured; each value replaces the one before. */
export interface NodeReport {
  readonly capacity?: Readonly<Record<string, Quantity>> | undefined;
  /** Default: capacity. */
  readonly allocatable?: Readonly<Record<string, Quantity>> | undefined;
  /** Merged by type; Ready=False here makes the node not ready. Times are the core's. */
  readonly conditions?: readonly Pick<NodeCondition, "type" | "status" | "reason" | "message">[] | undefined;
  readonly addresses?: readonly NodeAddress[] | undefined;
  readonly nodeInfo?: Partial<NodeSystemInfo> | undefined;
  /** Those that are on the node, in any order; names with digests before those with tags. The core tells of the largest. */
  readonly images?: readonly ContainerImage[] | undefined;
  /** What its container runtime honours, e.g. `supplementalGroupsPolicy: Strict`; pods that need more are refused. */
  readonly features?: NodeFeatures | undefined;
  /**
   * The same by handler of runtime classes, the default one named "": user namespaces, and whether read-only mounts are so with
   * all that is mounted below them, which is told of pods' mounts then.
   */
  readonly runtimeHandlers?: readonly NodeRuntimeHandler[] | undefined;
  /** Taints of the provider's own, beside the configured ones. */
  readonly taints?: readonly Taint[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}
