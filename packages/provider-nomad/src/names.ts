// Names in Nomad that are made of a pod's: its job, the job's group and variables, ports. Pure.

/** Of every job of a pod. */
export const jobPrefix = "vk-";
export const groupName = "pod";

/** UIDs of static pods are no UUIDs, but hold no more than letters, digits and hyphens. */
export function jobID(uid: string): string {
  return `${jobPrefix}${uid}`;
}

/** What tasks of this name may read by their workload identity, and nobody else's. */
export function variablePath(job: string, task: string): string {
  return `nomad/jobs/${job}/${groupName}/${task}`;
}

/** What all tasks of the pod may read. */
export function filesPath(job: string): string {
  return `nomad/jobs/${job}/${groupName}`;
}

/** Where the runs of containers are noted; no task may read it. */
export function runsPath(job: string): string {
  return `nomad/jobs/${job}/runs`;
}

/** Nomad's ports are for TCP and UDP both. */
export function portLabel(port: number): string {
  return `p${port}`;
}

/** Key of a job's meta: why it was stopped, as JSON. */
export const failureKey = "virtual-kubelet.io/failure";

/** Another: how often Nomad was to place it. */
export const attemptKey = "virtual-kubelet.io/attempt";

/** Another: it was stopped because nothing of it was to run any more. */
export const overKey = "virtual-kubelet.io/over";
