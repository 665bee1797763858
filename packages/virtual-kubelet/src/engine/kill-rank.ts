// How late the kernel is to kill a container when memory runs out, as far as its pod tells. Pure.
import { parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { Container, Pod, ResourceRequirements } from "../kube/types.gen.ts";
import { isSidecar } from "../status/restart-policy.ts";
import type { KillRank } from "./container-runtime.ts";

/** What nodes cannot do without is kept as long as guaranteed pods are. */
const nodeCritical = "system-node-critical";

export function killRank({ spec, status }: Pod, container: Container): KillRank {
  if (spec?.priorityClassName === nodeCritical) return { qosClass: "Guaranteed", memoryRequestBytes: 0 };
  const qosClass = status?.qosClass;
  if (qosClass !== "Guaranteed" && qosClass !== "Burstable") return { qosClass: "BestEffort", memoryRequestBytes: 0 };
  const mains = spec?.containers ?? [];
  const sidecars = (spec?.initContainers ?? []).filter(isSidecar);
  // What the pod asks for beyond its containers is shared out among them evenly.
  const all = [...mains, ...sidecars];
  const asked = all.reduce((sum, { resources }) => sum + memoryRequest(resources), 0);
  const podLevel = memoryRequest(spec?.resources);
  const spare = Math.floor(Math.max(0, podLevel - asked) / Math.max(1, all.length));
  // A sidecar does not go before the containers that it is for.
  const least = sidecars.some(({ name }) => name === container.name)
    ? Math.min(...mains.map(({ resources }) => memoryRequest(resources)))
    : 0;
  return { qosClass, memoryRequestBytes: Math.max(memoryRequest(container.resources), least) + spare };
}

function memoryRequest(resources: ResourceRequirements | undefined): number {
  const asked = resources?.requests?.["memory"];
  return asked === undefined ? 0 : Number(wholeUnits(parseQuantity(asked)));
}
