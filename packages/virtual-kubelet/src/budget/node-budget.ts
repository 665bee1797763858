// The budget of one node: what its pods cost, what was spent on them, and which pods wait because a ceiling leaves no room.
import type { Stored } from "../kube/resource.ts";
import type { Node, NodeCondition, Pod, Taint } from "../kube/types.gen.ts";
import type { BilledSize, PriceTables } from "../provider/billing.ts";
import type { Ceiling } from "./budget-settings.ts";
import { costOf, type Estimate, estimate, moneyText, sizeOf } from "./estimate.ts";
import { type Account, budgetExceeded, type NoRoom, usedOf } from "./room.ts";
import { SpendLedger, spendAnnotation } from "./spend-ledger.ts";

/** One node as its budget sees it. */
export interface BudgetNode {
  readonly name: string;
  /** Name of its price table. */
  readonly prices: string;
  readonly architecture?: string | undefined;
  readonly operatingSystem?: string | undefined;
  /** What its provider bills of a pod; undefined: what it requests. */
  readonly billedSize: ((pod: Pod) => BilledSize | undefined) | undefined;
  /** The Node as last seen; undefined before its registration. */
  readonly object: () => Stored<Node> | undefined;
}

/** How it stands with a pod that was let in. */
export interface BilledPod {
  readonly pod: Stored<Pod>;
  /** When the back end began to bill it, epoch milliseconds; undefined: not yet. */
  readonly since: number | undefined;
}

export interface NodeBudgetOptions {
  readonly node: BudgetNode;
  readonly prices: PriceTables;
  readonly ceiling: Ceiling | undefined;
  /** What is spent is kept on the Node. */
  readonly keeps: boolean;
  /** When the program began, epoch milliseconds. */
  readonly startedAt: number;
  readonly now: () => number;
  /** So much more was spent. */
  readonly spent: (namespace: string, amount: number) => void;
}

/** What is added to the Node. */
export interface BudgetOnNode {
  readonly conditions: readonly Pick<NodeCondition, "type" | "status" | "reason" | "message">[];
  readonly taints: readonly Taint[];
  readonly annotations: Readonly<Record<string, string>>;
}

interface PodAccount {
  readonly namespace: string;
  pod: Pod;
  estimate: Estimate;
  since: number | undefined;
  /** Up to when it is counted. */
  countedTo: number | undefined;
}

/** The least time between two writes of what is spent. */
const keepEveryMs = 60_000;
const soonMs = 1_000;

export const budgetTaint: Taint = { key: "virtual-kubelet.io/budget-exceeded", effect: "NoSchedule" };

export class NodeBudget {
  readonly #options: NodeBudgetOptions;
  readonly #ledger: SpendLedger = new SpendLedger();
  readonly #accounts = new Map<string, PodAccount>();
  /** By namespace. */
  readonly #rates = new Map<string, number>();
  readonly #waiting = new Map<string, NoRoom>();
  #look: (uid: string) => BilledPod | undefined = () => undefined;
  #isRestored = false;
  /** Up to when an earlier program has counted. */
  #keptAt: number | undefined;
  #kept: { readonly at: number; readonly text: string } | undefined;
  #keepSoon = false;
  #settledAt = 0;

  constructor(options: NodeBudgetOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.node.name;
  }

  /** Where the pods that were let in are looked up. */
  follow(look: (uid: string) => BilledPod | undefined): void {
    this.#look = look;
  }

  estimate(pod: Pod): Estimate {
    const { node, prices } = this.#options;
    return podEstimate(pod, node, prices);
  }

  /** It is let in: from now on it counts, and costs as soon as the back end bills it. */
  opened(uid: string, pod: Pod): void {
    this.#waiting.delete(uid);
    const namespace = pod.metadata?.namespace ?? "";
    const account = { namespace, pod, estimate: this.estimate(pod), since: undefined, countedTo: undefined };
    this.#accounts.set(uid, account);
    this.#addRate(namespace, account.estimate.perHour);
  }

  /** It has ended, or is not wanted here any more. */
  closed(uid: string): void {
    this.#waiting.delete(uid);
    const account = this.#accounts.get(uid);
    if (account === undefined) return;
    const now = this.#options.now();
    this.#restore();
    this.#count(uid, account, now);
    this.#accounts.delete(uid);
    const { namespace, since, estimate: of } = account;
    this.#addRate(namespace, -of.perHour);
    const missingMs = since === undefined ? 0 : of.minimumMs - (now - since);
    if (!this.#isRestored || missingMs <= 0) return;
    // As if it had begun so much sooner.
    this.#ledger.add(namespace, of.perHour, now - missingMs, now);
    this.#options.spent(namespace, costOf(of.perHour, missingMs));
  }

  /** A ceiling leaves no room for it now. */
  waits(uid: string, why: NoRoom): void {
    // What a budget was used up by is not to be lost.
    if (!this.#waiting.has(uid) && (why.lasts === "day" || why.lasts === "month")) this.#keepSoon = true;
    this.#waiting.set(uid, why);
    this.#keep();
  }

  /** Those that wait, for the longest first. */
  waiting(): ReadonlyMap<string, NoRoom> {
    return this.#waiting;
  }

  /** Counts what was spent up to now, unless that was done less than so long ago. */
  settle(maxAgeMs = 0): void {
    const now = this.#options.now();
    if (now - this.#settledAt < maxAgeMs) return;
    this.#settledAt = now;
    this.#restore();
    this.#rates.clear();
    for (const [uid, account] of this.#accounts) {
      this.#count(uid, account, now);
      this.#addRate(account.namespace, account.estimate.perHour);
    }
    this.#keep();
  }

  /** Per hour, of all its pods or of those of a namespace. */
  rate(namespace?: string): number {
    if (namespace !== undefined) return this.#rates.get(namespace) ?? 0;
    return [...this.#rates.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Namespaces with pods on it. */
  namespaces(): Iterable<string> {
    return this.#rates.keys();
  }

  spent(period: "day" | "month", namespace?: string): number {
    this.#restore();
    return this.#ledger.spent(period, this.#options.now(), namespace);
  }

  /** As its own ceiling sees it; undefined: it has none. */
  account(): Account | undefined {
    const { ceiling } = this.#options;
    if (ceiling === undefined) return undefined;
    const [today, thisMonth] = [this.spent("day"), this.spent("month")];
    return { kind: "node", name: this.name, ceiling, perHour: this.rate(), today, thisMonth };
  }

  /** Of a pod that was let in: since when it costs, epoch milliseconds. */
  sinceOf(uid: string): number | undefined {
    return this.#accounts.has(uid) ? this.#look(uid)?.since : undefined;
  }

  /** What the Node tells of it. */
  onNode(currency: string): BudgetOnNode {
    const why = this.#whyFull(currency);
    const type = "virtual-kubelet.io/BudgetExceeded";
    const full = { type, status: "True", reason: budgetExceeded, message: why ?? "" };
    const free = { type, status: "False", reason: "WithinBudget", message: "the ceilings leave room for pods" };
    return {
      conditions: this.#options.ceiling === undefined ? [] : [why === undefined ? free : full],
      taints: why === undefined ? [] : [budgetTaint],
      annotations: this.#kept === undefined ? {} : { [spendAnnotation]: this.#kept.text },
    };
  }

  /** Without figures that change while it lasts: each change is a write. */
  #whyFull(currency: string): string | undefined {
    const account = this.account();
    if (account === undefined) return undefined;
    const spent = usedOf(account).find(({ per, used, limit }) => per !== "hour" && used >= limit);
    if (spent !== undefined) return `the ceiling of ${moneyText(spent.limit, currency)} per ${spent.per} is spent`;
    for (const { of, lasts } of this.#waiting.values())
      if (of.kind === "node" && lasts === "hour")
        return `pods wait for room below the ceiling of ${moneyText(account.ceiling.perHour ?? 0, currency)} per hour`;
    return undefined;
  }

  /** What an earlier program has written on the Node, as soon as that is known. */
  #restore(): void {
    if (this.#isRestored) return;
    const node = this.#options.node.object();
    if (node === undefined) return;
    this.#isRestored = true;
    this.#keptAt = this.#ledger.restore(node.metadata.annotations?.[spendAnnotation], this.#options.now());
  }

  #keep(): void {
    const now = this.#options.now();
    if (!this.#isRestored || !this.#options.keeps) return;
    const everyMs = this.#keepSoon ? soonMs : keepEveryMs;
    if (this.#kept !== undefined && now - this.#kept.at < everyMs) return;
    this.#kept = { at: now, text: this.#ledger.text(now) };
    this.#keepSoon = false;
  }

  #count(uid: string, account: PodAccount, now: number): void {
    const billed = this.#look(uid);
    if (billed !== undefined && billed.pod !== account.pod) {
      // What is billed may be known better since: the kind of capacity that it got, for one.
      account.pod = billed.pod;
      account.estimate = this.estimate(billed.pod);
    }
    account.since ??= billed?.since;
    if (account.since === undefined || !this.#isRestored) return;
    const from = account.countedTo ?? Math.max(account.since, this.#keptAt ?? 0);
    // A clock that is set back counts nothing twice.
    account.countedTo = Math.max(now, account.countedTo ?? 0);
    const { perHour } = account.estimate;
    this.#ledger.add(account.namespace, perHour, from, now);
    // A counter tells what comes while it counts; what came between two programs is known where it was kept.
    const { spent, startedAt } = this.#options;
    spent(account.namespace, costOf(perHour, now - Math.max(from, this.#keptAt ?? startedAt)));
  }

  #addRate(namespace: string, perHour: number): void {
    const sum = (this.#rates.get(namespace) ?? 0) + perHour;
    // The rest of sums of fractions.
    if (sum < 1e-12) this.#rates.delete(namespace);
    else this.#rates.set(namespace, sum);
  }
}

/** By the node's prices, or those that the size names. */
export function podEstimate(pod: Pod, node: Omit<BudgetNode, "name" | "object">, prices: PriceTables): Estimate {
  const size = sizeOf(pod, node.billedSize);
  return estimate(size, prices[size.prices ?? node.prices] ?? {}, node);
}
