// Configuration of the composite provider: its members, and by which rule a pod goes to one of them. All faults at once.
import { createHash } from "node:crypto";
import * as v from "valibot";
import { VirtualKubeletError } from "../errors.ts";
import { checkedConfig, type ProviderConfigSource, readProviderConfig } from "../host/provider-config.ts";
import type { PriceTables } from "../provider/billing.ts";

/** Annotation of the pods: the member that runs it. */
export const memberAnnotation = "backend.virtual-kubelet.io/member";

export interface MemberConfig {
  /** Unique; part of the condition that tells of it. */
  readonly name: string;
  /** As `provider` of a node: a built-in one, a package, a module's path. */
  readonly provider: string;
  readonly config?: unknown;
  /** File of its own, in place of `config`. */
  readonly configPath?: string | undefined;
  /** Share of the pods, with rule "weight"; 0: only when the others cannot. */
  readonly weight: number;
  /** Name of its table in `budgets.prices`; default its provider's name. */
  readonly prices?: string | undefined;
}

export interface CompositeConfig {
  readonly members: readonly MemberConfig[];
  /** "order": the first that can; "weight": by share, the same member for the same pod; "price": the cheapest. */
  readonly rule: "order" | "weight" | "price";
  /** A pod of which nothing has started on its member for so long goes to the next; 0: never. Default 300. */
  readonly moveAfterSeconds: number;
  readonly circuit: { readonly failures: number; readonly openSeconds: number };
}

const amount = v.pipe(v.number("must be a number"), v.minValue(0, "must not be negative"));
const count = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(1, "must be at least 1"),
);

const member = v.pipe(
  v.strictObject({
    name: v.pipe(
      v.string("must be a name"),
      v.regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, "must be a short name of a-z, 0-9 and -"),
    ),
    provider: v.pipe(v.string("must be the name of a provider"), v.nonEmpty("must be the name of a provider")),
    config: v.optional(v.unknown()),
    configPath: v.optional(v.string("must be a path")),
    weight: v.optional(amount, 1),
    prices: v.optional(
      v.pipe(v.string("must be the name of a price table"), v.nonEmpty("must be the name of a price table")),
    ),
  }),
  v.check(
    ({ config, configPath }) => config === undefined || configPath === undefined,
    "takes config or configPath, not both",
  ),
  v.check(({ provider }) => provider !== "composite", "provider: a composite cannot be a member of one"),
);

const schema = v.strictObject({
  members: v.pipe(
    v.array(member, "must be a list of members"),
    v.minLength(1, "must have at least one member"),
    v.check((list) => new Set(list.map(({ name }) => name)).size === list.length, "must have different names"),
  ),
  rule: v.optional(v.picklist(["order", "weight", "price"], "must be order, weight or price"), "order"),
  moveAfterSeconds: v.optional(amount, 300),
  circuit: v.optional(v.strictObject({ failures: v.optional(count, 3), openSeconds: v.optional(count, 30) }), {}),
});

/** Throws Invalid with all faults in one message. */
export function parseCompositeConfig(value: unknown): CompositeConfig {
  return checkedConfig("composite", schema, value);
}

export async function readCompositeConfig(source: ProviderConfigSource): Promise<CompositeConfig> {
  return readProviderConfig("composite", source, parseCompositeConfig);
}

/** Throws Invalid where pods are to go by prices that are not there, or would cost nothing under a ceiling. */
export function checkPrices({ members, rule }: CompositeConfig, tables: PriceTables = {}, hasCeiling = false): void {
  const areNeeded = rule === "price" || hasCeiling;
  const lacking = members.filter((member) => areNeeded && !Object.hasOwn(tables, priceTableOf(member)));
  if (lacking.length === 0) return;
  const faults = lacking.map((member) => `member ${member.name}: there is no table "${priceTableOf(member)}"`);
  const why =
    rule === "price"
      ? "rule price goes by budgets.prices"
      : "pods under a ceiling would cost nothing without budgets.prices ({} if that is so)";
  const message = `configuration of the composite provider: ${why}: ${faults.join("; ")}`;
  throw new VirtualKubeletError("Invalid", message, { field: rule === "price" ? "rule" : "members" });
}

export function priceTableOf({ prices, provider }: Pick<MemberConfig, "prices" | "provider">): string {
  return prices ?? provider;
}

/** Members in the order in which a pod is to be tried on them; the same for the same UID at any time. `perHour`: what it costs there. Pure. */
export function preferred(
  config: CompositeConfig,
  uid: string,
  perHour: (member: MemberConfig) => number,
): readonly MemberConfig[] {
  const { members, rule } = config;
  if (rule === "order") return members;
  if (rule === "price") {
    const costs = new Map(members.map((member) => [member, perHour(member)]));
    return members.toSorted((one, other) => (costs.get(one) ?? 0) - (costs.get(other) ?? 0));
  }
  // Rendezvous hashing: a member that comes or goes moves no pod between the others.
  const score = ({ name, weight }: MemberConfig): number =>
    weight === 0 ? Number.NEGATIVE_INFINITY : Math.log(chance(`${name}/${uid}`)) / weight;
  return members.toSorted((one, other) => score(other) - score(one));
}

/** Above 0, to 1. */
function chance(text: string): number {
  return (createHash("sha256").update(text).digest().readUIntBE(0, 6) + 1) / 2 ** 48;
}
