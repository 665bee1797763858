// What a pod is billed by, and costs, on one member or another. Pure.
import { estimate, sizeOf } from "../budget/estimate.ts";
import type { Pod } from "../kube/types.gen.ts";
import { refusals } from "../pod/capabilities.ts";
import type { BilledSize, PriceTables } from "../provider/billing.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import { type CompositeConfig, type MemberConfig, memberAnnotation, preferred, priceTableOf } from "./config.ts";

/** What is known of a member's provider. */
export interface PricedMember {
  readonly config: MemberConfig;
  readonly capabilities: Capabilities;
  readonly billedSize?: ((pod: Pod) => BilledSize | undefined) | undefined;
}

export interface MemberPrices {
  readonly tables: PriceTables;
  readonly operatingSystem?: string | undefined;
}

/** With the name of the member's price table. */
function sizeOn(member: PricedMember, pod: Pod): BilledSize {
  return { prices: priceTableOf(member.config), ...sizeOf(pod, (one) => member.billedSize?.(one)) };
}

/** A composite, as far as costs go. */
export interface Priced<T extends PricedMember = PricedMember> {
  readonly config: CompositeConfig;
  readonly members: readonly T[];
  readonly prices: MemberPrices;
}

/** The members in the order in which the pod is to be tried on them. */
export function inOrder<T extends PricedMember>(
  { config, members, prices: { tables, operatingSystem } }: Priced<T>,
  pod: Pod,
  uid: string,
): readonly T[] {
  const byName = new Map(members.map((member) => [member.config.name, member]));
  const perHour = ({ name }: MemberConfig): number => {
    const member = byName.get(name);
    if (member === undefined) return 0;
    const size = sizeOn(member, pod);
    return estimate(size, tables[size.prices ?? ""] ?? {}, { operatingSystem }).perHour;
  };
  return preferred(config, uid, perHour).flatMap(({ name }) => byName.get(name) ?? []);
}

/** On the member that has it; before, on the one that it would be given to if all have room. */
export function sizeOnMember(composite: Priced, pod: Pod): BilledSize | undefined {
  const { annotations, uid = "" } = pod.metadata ?? {};
  const own = composite.members.find((member) => member.config.name === annotations?.[memberAnnotation]);
  const first = (): PricedMember | undefined =>
    inOrder(composite, pod, uid).find(({ capabilities }) => refusals(pod, capabilities).length === 0);
  const member = own ?? first();
  return member === undefined ? undefined : sizeOn(member, pod);
}
