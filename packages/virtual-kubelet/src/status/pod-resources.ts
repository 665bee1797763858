// What a pod takes from its node, counted as the scheduler counts it, so that both agree on what fits.
import { milliUnits, parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { Container, Pod, PodSpec, Quantity, ResourceRequirements } from "../kube/types.gen.ts";
import { isSidecar } from "./restart-policy.ts";

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

/** The effective requests. */
export function podRequests({ spec }: Pod): Quantities {
  return spec === undefined ? new Map() : podTotal(spec, (resources) => quantities(resources?.requests));
}

/**
 * All main containers and sidecars together, or more where one init container needs more beside the sidecars before it;
 * what the pod as a whole asks for instead, where it does; and the overhead of the runtime class. `amountsOf`: what counts
 * of each of these.
 */
export function podTotal(
  spec: PodSpec,
  amountsOf: (resources: ResourceRequirements | undefined) => Quantities,
): Quantities {
  const total = new Map(effective(spec, ({ resources }) => amountsOf(resources)));
  for (const [name, amount] of podLevel(amountsOf(spec.resources))) total.set(name, amount);
  return addQuantities(total, amountsOf({ requests: spec.overhead ?? {} }));
}

/**
 * The effective limits, counted the same way. What one container may use without limit, the pod has no limit of, unless
 * there is a pod-level one; overhead raises what is limited and limits nothing by itself.
 */
export function podLimits({ spec }: Pod): Quantities {
  if (spec === undefined) return new Map();
  const total = new Map(effective(spec, ({ resources }) => quantities(resources?.limits)));
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  for (const name of unboundedUnlessLimited)
    if (containers.some(({ resources }) => (quantities(resources?.limits).get(name) ?? 0n) === 0n)) total.delete(name);
  for (const [name, amount] of podLevel(quantities(spec.resources?.limits))) total.set(name, amount);
  for (const [name, amount] of quantities(spec.overhead)) {
    const limit = total.get(name);
    if (limit !== undefined) total.set(name, limit + amount);
  }
  return total;
}

/** Of all else a container has none unless it says so. */
const unboundedUnlessLimited: readonly string[] = ["cpu", "memory", "ephemeral-storage"];

function effective(spec: PodSpec, amountsOf: (container: Container) => Quantities): Quantities {
  let running: Quantities = new Map();
  for (const container of spec.containers) running = addQuantities(running, amountsOf(container));
  let sidecars: Quantities = new Map();
  let starting: Quantities = new Map();
  for (const container of spec.initContainers ?? []) {
    const beside = addQuantities(sidecars, amountsOf(container));
    if (isSidecar(container)) sidecars = beside;
    starting = largest(starting, beside);
  }
  return largest(addQuantities(running, sidecars), starting);
}

function podLevel(amounts: Quantities): readonly (readonly [string, bigint])[] {
  return [...amounts].filter(([name]) => name === "cpu" || name === "memory" || name.startsWith("hugepages-"));
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
