// The runs of a simulated container, as logs, commands and figures need them. Types, and how one is found.
import { VirtualKubeletError } from "../../errors.ts";
import type { PodOwner } from "../../provider/pods.ts";
import type { ContainerUsage } from "./usage.ts";

/** One run of a container. Times in epoch milliseconds. */
export interface ContainerRun {
  /** From 0 on. */
  readonly attempt: number;
  readonly startedAt: number;
  /** How it ended; absent while it lasts. */
  readonly ended?: { readonly at: number; readonly exitCode: number } | undefined;
}

export interface ContainerRuns {
  readonly name: string;
  /** The present one or, when none is, the last; absent: there was none. */
  readonly latest?: ContainerRun | undefined;
  /** The last that ended, other than a `latest` after which none is to come. */
  readonly previous?: ContainerRun | undefined;
}

/** What the running containers of a pod use. */
export interface PodUsage {
  readonly owner: PodOwner;
  /** When the backend accepted the pod. */
  readonly acceptedAt: number;
  readonly containers: readonly (ContainerUsage & { readonly startedAt: number })[];
}

/** The runs of one container. Throws NotFound when the pod has none of that name. */
export function runsOf(all: readonly ContainerRuns[], container: string, pod: string): ContainerRuns {
  const found = all.find(({ name }) => name === container);
  if (found !== undefined) return found;
  throw new VirtualKubeletError(
    "NotFound",
    `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(pod)}`,
  );
}

/** The run that lasts. Throws NotFound when there is none. */
export function presentRun(all: readonly ContainerRuns[], container: string, pod: string): ContainerRun {
  const { latest } = runsOf(all, container, pod);
  if (latest !== undefined && latest.ended === undefined) return latest;
  throw new VirtualKubeletError(
    "NotFound",
    `container ${JSON.stringify(container)} of pod ${JSON.stringify(pod)} is not running`,
  );
}
