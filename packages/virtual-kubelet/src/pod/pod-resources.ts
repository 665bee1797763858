// What a pod takes from its node, counted as the scheduler counts it, so that both agree on what fits.
import { milliUnits, parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { Pod, Quantity } from "../kube/types.gen.ts";
import { isSidecar } from "../status/restart-policy.ts";

/** Amounts by resource name: cpu in thousandths of a core, everything else in whole units. */
export type Quantities = ReadonlyMap<string, bigint>;

type ResourceList = Readonly<Record<string, Quantity>>;

/** Parts of a core and parts of a unit are rounded up. Throws Invalid for what is no quantity. */
export function quantities(list: ResourceList | undefined): Quantities {
  const out = new Map<string, bigint>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const amount = parseQuantity(text);
    out.set(name, name === "cpu" ? milliUnits(amount) : wholeUnits(amount));
  }
  return out;
}

/**
 * The effective requests: all main containers and sidecars together, or more where one init container needs more beside
 * the sidecars before it; pod-level requests instead, where there are any; and the overhead of the runtime class.
 */
export function podRequests(pod: Pod): Quantities {
  const spec = pod.spec;
  if (spec === undefined) return new Map();
  let running: Quantities = new Map();
  for (const container of spec.containers) running = addQuantities(running, quantities(container.resources?.requests));
  let sidecars: Quantities = new Map();
  let starting: Quantities = new Map();
  for (const container of spec.initContainers ?? []) {
    const requests = quantities(container.resources?.requests);
    const beside = addQuantities(sidecars, requests);
    if (isSidecar(container)) sidecars = beside;
    starting = largest(starting, beside);
  }
  const total = new Map(largest(addQuantities(running, sidecars), starting));
  for (const [name, amount] of quantities(spec.resources?.requests)) {
    if (name === "cpu" || name === "memory" || name.startsWith("hugepages-")) total.set(name, amount);
  }
  return addQuantities(total, quantities(spec.overhead));
}

export function addQuantities(a: Quantities, b: Quantities): Quantities {
  if (b.size === 0) return a;
  const out = new Map(a);
  for (const [name, amount] of b) out.set(name, (out.get(name) ?? 0n) + amount);
  return out;
}

function largest(a: Quantities, b: Quantities): Quantities {
  const out = new Map(a);
  for (const [name, amount] of b) {
    if (amount > (out.get(name) ?? 0n)) out.set(name, amount);
  }
  return out;
}
