// Control groups, figures and limits of one node's pods, for its runtime: the one place that knows how the engine's host counts.
import type {
  CallContext,
  Clock,
  Logger,
  NodeReport,
  ResourceRequirements,
  RuntimeStats,
  SandboxSpec,
} from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "../config.ts";
import type { ContainerDetails, EngineClient } from "../engine/engine-client.ts";
import type { LimitHost } from "./limits.ts";

export interface FiguresOptions {
  readonly node: string;
  readonly client: EngineClient;
  readonly config: ContainersConfig;
  /** Of this node: `<config.stateDirectory>/<node>`. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What of a pod has figures. */
export interface MeasuredPod {
  readonly uid: string;
  readonly hostNetwork: boolean;
  /** The infra container, by whose process the pod's network is seen. */
  readonly infra: ContainerDetails | undefined;
  /** Running ones, by container name. */
  readonly containers: readonly { readonly name: string; readonly details: ContainerDetails }[];
  /** Volumes that are the pod's own: emptyDir, and those made of files. */
  readonly volumes: readonly { readonly name: string; readonly path: string }[];
}

export declare class Figures {
  private constructor();
  static open(options: FiguresOptions, context: CallContext): Promise<Figures>;

  /** For limitsOf and infraLimits. */
  readonly limitHost: LimitHost;
  /** Can limits of running containers be changed? Only then has the runtime `updateResources`. */
  readonly canResize: boolean;

  /** Makes the pod's control group with the limits of the whole pod, where there may be one; the CgroupParent of its containers, undefined for the engine's own. Idempotent. */
  makePodGroup(spec: SandboxSpec): string | undefined;
  /** Once its containers are gone. No error when it is gone. */
  removePodGroup(podUid: string): void;

  /** Call it with every inspected container of ours, running or ended: remembers what is needed, and tells of one that has ended why, where the host knows more than the engine: "OOMKilled". */
  endReason(details: ContainerDetails): "OOMKilled" | undefined;

  /** Of a running container. Throws Invalid (memory below what is in use), Unavailable. */
  updateResources(details: ContainerDetails, resources: ResourceRequirements, context: CallContext): Promise<void>;

  stats(pods: readonly MeasuredPod[], context: CallContext): Promise<RuntimeStats>;
  watchNode(context: CallContext): AsyncIterable<NodeReport>;
  close(): Promise<void>;
}
