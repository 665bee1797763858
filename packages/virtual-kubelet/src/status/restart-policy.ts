// Whether a container that ended is started again: its rules first, then its own policy, then the pod's. Used by the
// status (may it leave "terminated"?) and by whatever restarts containers.
import type { Container, PodSpec } from "../kube/types.gen.ts";

/** "all": every container of the pod starts over, init containers included. */
export type RestartDecision = "no" | "container" | "all";

type Restartable = Pick<Container, "restartPolicy" | "restartPolicyRules">;

/** An init container that keeps running beside the main containers. */
export function isSidecar(initContainer: Restartable): boolean {
  return initContainer.restartPolicy === "Always";
}

/** What follows the exit of a container of `spec.containers` or `spec.initContainers`; ephemeral ones never restart. */
export function restartDecision(
  container: Restartable,
  spec: Pick<PodSpec, "restartPolicy">,
  exitCode: number,
): RestartDecision {
  if (container.restartPolicy !== undefined) {
    for (const rule of container.restartPolicyRules ?? []) {
      if (rule.exitCodes === undefined) continue;
      const listed = rule.exitCodes.values?.includes(exitCode) ?? false;
      if (listed !== (rule.exitCodes.operator === "In")) continue;
      if (rule.action === "Restart") return "container";
      if (rule.action === "RestartAllContainers") return "all";
      break;
    }
  }
  const policy = effectivePolicy(container, spec);
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0) ? "container" : "no";
}

/** Its own policy, else the pod's; the API's default is Always. */
export function effectivePolicy(container: Restartable, spec: Pick<PodSpec, "restartPolicy">): string {
  return container.restartPolicy ?? spec.restartPolicy ?? "Always";
}

/** Does a rule of any container restart the whole pod? Then every container may run again. */
export function mayRestartAll(spec: Pick<PodSpec, "containers" | "initContainers">): boolean {
  const has = (container: Restartable): boolean =>
    container.restartPolicyRules?.some((rule) => rule.action === "RestartAllContainers") ?? false;
  return spec.containers.some(has) || (spec.initContainers?.some(has) ?? false);
}
