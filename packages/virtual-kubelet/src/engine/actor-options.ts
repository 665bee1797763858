// What every pod of an engine works with.
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodReport } from "../provider/pods.ts";
import type { BackoffLimits } from "./backoff.ts";
import type { ContainerRuntime } from "./container-runtime.ts";
import type { EngineEvent } from "./plan-draft.ts";
import type { ProbeManager, RunHook } from "./probe-results.ts";
import type { ResizeVerdict } from "./resize-room.ts";

export interface ActorOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: BackoffLimits;
  readonly callTimeoutMs: number;
  readonly probes: ProbeManager;
  readonly runHook: RunHook;
  hostIPs(): readonly string[];
  /** May this pod have what it waits for? */
  room(uid: string): ResizeVerdict;
  /** Have it looked at again. */
  wake(uid: string): void;
  reported(report: PodReport): void;
  told(owner: PodOwner, event: EngineEvent): void;
}
