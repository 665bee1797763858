// What is made in Nomad for a pod. Data.
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadVariable } from "./wire.ts";
import type { NomadJob } from "./wire-job.ts";

export interface JobPlan {
  readonly job: NomadJob;
  /** Hold secrets. There before the job is. */
  readonly variables: readonly NomadVariable[];
  readonly notes: readonly CreateNote[];
}
