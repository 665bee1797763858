// When Nomad starts a task again, and when it lets it be: restart policies of tasks, and the type of the job. A task that fails for good
// takes its siblings with it, which Kubernetes does not: where others are to go on, its restart is put off beyond all time, and it
// counts as ended. Pure.
import { effectivePolicy, type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type PlacedContainer, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadRestartPolicy } from "./wire-job.ts";

const seconds = 1_000_000_000;
const year = 365 * 24 * 3600 * seconds;

/** Five quick ones, then one in each five minutes at most: as near to the kubelet's back-off as Nomad comes. */
const always: NomadRestartPolicy = { Attempts: 5, Interval: 300 * seconds, Delay: 10 * seconds, Mode: "delay" };
const never: NomadRestartPolicy = { Attempts: 0, Interval: 300 * seconds, Delay: seconds, Mode: "fail" };
const putOff: NomadRestartPolicy = { Attempts: 1, Interval: 2 * year, Delay: year, Mode: "delay" };

export interface Restarts {
  readonly type: "batch" | "service";
  readonly policies: ReadonlyMap<string, NomadRestartPolicy>;
  /** Of these a restart that is put off is the end. */
  readonly putOff: ReadonlySet<string>;
}

/** Throws Unsupported with the field. */
export function restartsOf(spec: PodSpec): Restarts {
  const placed = placedContainers(spec);
  const mains = placed.filter(({ kind }) => kind === "main");
  for (const { container, field } of placed)
    if ((container.restartPolicyRules ?? []).length > 0)
      throw new VirtualKubeletError("Unsupported", "Nomad knows no restarts by exit code", {
        field: `${field}.restartPolicyRules`,
      });
  // Tasks of services are started again whatever their code, those of batch jobs when they fail.
  const type = mains.some(({ container }) => effectivePolicy(container, spec) === "Always") ? "service" : "batch";
  const policies = new Map<string, NomadRestartPolicy>();
  const ending = new Set<string>();
  for (const each of placed) {
    const { name } = each.container;
    const policy = policyOf(each, spec, { type, isAlone: mains.length === 1 });
    policies.set(name, policy);
    if (policy === putOff) ending.add(name);
  }
  return { type, policies, putOff: ending };
}

function policyOf(
  { container, kind, field }: PlacedContainer,
  spec: PodSpec,
  { type, isAlone }: { readonly type: Restarts["type"]; readonly isAlone: boolean },
): NomadRestartPolicy {
  if (kind === "sidecar") return always;
  const policy = effectivePolicy(container, spec);
  if (kind === "init") return policy === "Never" ? never : always;
  if (policy === "Never") return isAlone ? never : putOff;
  if (policy === "OnFailure" && type === "service")
    throw new VirtualKubeletError(
      "Unsupported",
      "beside containers that always run again, Nomad would start one again that has succeeded",
      { field: container.restartPolicy === undefined ? "spec.restartPolicy" : `${field}.restartPolicy` },
    );
  return always;
}
