// The budgets of all nodes of a process: which pods there is room for, what is told of costs in metrics and on the nodes.
import { type Clock, pause } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { Metrics } from "../metrics.ts";
import { type BudgetSettings, ceilingOf } from "./budget-settings.ts";
import { costOf } from "./estimate.ts";
import { type BudgetNode, type BudgetOnNode, NodeBudget } from "./node-budget.ts";
import { type Account, type NoRoom, noRoom, usedOf } from "./room.ts";
import { endOf } from "./spend-ledger.ts";

export interface BudgetsOptions {
  readonly settings: BudgetSettings;
  readonly nodes: readonly BudgetNode[];
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What the node is to tell. */
  readonly changed: (node: string, told: BudgetOnNode) => void;
}

/** What one pod costs. */
export interface PodCost {
  readonly currency: string;
  readonly perHour: number;
  /** Since the back end bills it; absent while it does not. */
  readonly soFar?: number | undefined;
  readonly basis: string;
}

const settleEveryMs = 15_000;
/** Before a pod is let in, all is counted up to then. */
const freshMs = 1_000;
/** A pod that waits is looked at again so often; sooner when another one ends. */
const lookAgainMs = 30_000;
/** Of those that wait, so many are looked at when one ends. */
const lookedAtOnce = 10;
/** Namespaces that have series of their own. */
const mostNamespaces = 100;
const otherNamespace = "Other";

export class Budgets {
  readonly #options: BudgetsOptions;
  readonly #nodes: ReadonlyMap<string, NodeBudget>;
  readonly #told = new Map<string, string>();
  readonly #series = new Set<string>();
  #retry: (uid: string) => void = () => {};

  constructor(options: BudgetsOptions) {
    this.#options = options;
    const { settings, clock } = options;
    const { prices, ceilings } = settings;
    const isKept = [...ceilings.nodes, ...ceilings.namespaces].some(
      ({ perDay, perMonth }) => perDay !== undefined || perMonth !== undefined,
    );
    // Those with a ceiling of their own are never among the others.
    for (const { name } of ceilings.namespaces) if (name !== "*") this.#labels(name);
    const startedAt = clock.now();
    this.#nodes = new Map(
      options.nodes.map((node) => [
        node.name,
        new NodeBudget({
          ...{ node, prices, startedAt, keeps: isKept, ceiling: ceilingOf(ceilings.nodes, node.name) },
          now: () => clock.now(),
          spent: (namespace, amount) => {
            if (amount > 0) options.metrics.namespaceCostTotal.inc(this.#labels(namespace), amount);
          },
        }),
      ]),
    );
  }

  of(node: string): NodeBudget | undefined {
    return this.#nodes.get(node);
  }

  /** Those that wait are handed to it when there may be room. */
  retryWith(retry: (uid: string) => void): void {
    this.#retry = retry;
  }

  /** A pod is let in on the node. */
  opened(node: NodeBudget, uid: string, pod: Pod): void {
    node.opened(uid, pod);
    this.#tell(node);
  }

  /** What keeps the pod from being let in on the node; undefined: nothing does. */
  noRoom(node: NodeBudget, pod: Pod): NoRoom | undefined {
    const { ceilings, currency } = this.#options.settings;
    const namespace = pod.metadata?.namespace ?? "";
    const ceiling = ceilingOf(ceilings.namespaces, namespace);
    if (ceiling === undefined && node.account() === undefined) return undefined;
    for (const each of this.#nodes.values()) each.settle(freshMs);
    const own = node.account();
    const accounts = [
      ...(own === undefined ? [] : [own]),
      ...(ceiling === undefined ? [] : [this.#namespace(namespace, ceiling)]),
    ];
    return noRoom(accounts, node.estimate(pod).perHour, currency);
  }

  /** Whether one for which there is no room now becomes Failed. */
  get fails(): boolean {
    return this.#options.settings.overCeiling === "fail";
  }

  /** The pod waits. Answers in how many milliseconds to look at it again. */
  waits(node: NodeBudget, uid: string, why: NoRoom): number {
    node.waits(uid, why);
    this.#tell(node);
    const now = this.#options.clock.now();
    return why.lasts === "day" || why.lasts === "month"
      ? Math.min(lookAgainMs, Math.max(1, endOf(why.lasts, now) - now))
      : lookAgainMs;
  }

  /** A pod of the node has ended, or is not wanted there any more. */
  closed(node: NodeBudget, uid: string): void {
    const rate = node.rate();
    node.closed(uid);
    this.#tell(node);
    if (node.rate() >= rate) return;
    let left = lookedAtOnce;
    for (const other of this.#nodes.values())
      for (const [waiting, { lasts, of }] of other.waiting()) {
        if (lasts !== "hour" || (of.kind === "node" && other !== node)) continue;
        if (left-- === 0) return;
        this.#retry(waiting);
      }
  }

  costOf(node: string, pod: Stored<Pod>): PodCost | undefined {
    const budget = this.#nodes.get(node);
    if (budget === undefined) return undefined;
    const { currency } = this.#options.settings;
    const { perHour, minimumMs, basis } = budget.estimate(pod);
    const since = budget.sinceOf(pod.metadata.uid);
    const span = since === undefined ? spanOf(pod.status) : this.#options.clock.now() - since;
    const soFar = span === undefined ? {} : { soFar: costOf(perHour, Math.max(span, minimumMs)) };
    return { currency, perHour, ...soFar, basis };
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { metrics, clock } = this.#options;
    const report = (): void => this.#report();
    metrics.costSources.add(report);
    try {
      while (!signal.aborted) {
        for (const node of this.#nodes.values()) {
          node.settle();
          this.#tell(node);
        }
        await pause(clock, settleEveryMs, signal);
      }
    } finally {
      metrics.costSources.delete(report);
    }
  }

  #tell(node: NodeBudget): void {
    const told = node.onNode(this.#options.settings.currency);
    const text = JSON.stringify(told);
    if (this.#told.get(node.name) === text) return;
    this.#told.set(node.name, text);
    this.#options.changed(node.name, told);
  }

  #namespace(name: string, ceiling: Account["ceiling"]): Account {
    const account = { perHour: 0, today: 0, thisMonth: 0 };
    for (const node of this.#nodes.values()) {
      account.perHour += node.rate(name);
      account.today += node.spent("day", name);
      account.thisMonth += node.spent("month", name);
    }
    return { kind: "namespace", name, ceiling, ...account };
  }

  #report(): void {
    const { metrics, settings } = this.#options;
    const { currency, ceilings } = settings;
    for (const gauge of [metrics.nodeCost, metrics.namespaceCost, metrics.budgetUsed, metrics.budgetWaiting])
      gauge.reset();
    const namespaces = new Set(ceilings.namespaces.flatMap(({ name }) => (name === "*" ? [] : [name])));
    for (const node of this.#nodes.values()) {
      node.settle();
      metrics.nodeCost.set({ node: node.name, currency }, node.rate());
      metrics.budgetWaiting.set({ node: node.name }, node.waiting().size);
      this.#reportUse(node.account(), node.name);
      for (const namespace of node.namespaces()) {
        namespaces.add(namespace);
        metrics.namespaceCost.inc(this.#labels(namespace), node.rate(namespace));
      }
    }
    for (const namespace of namespaces) {
      const ceiling = ceilingOf(ceilings.namespaces, namespace);
      const { namespace: name } = this.#labels(namespace);
      if (ceiling !== undefined && name !== otherNamespace) this.#reportUse(this.#namespace(namespace, ceiling), name);
    }
  }

  #reportUse(account: Account | undefined, name: string): void {
    if (account === undefined) return;
    for (const { per, used, limit } of usedOf(account))
      this.#options.metrics.budgetUsed.set({ kind: account.kind, name, per }, limit > 0 ? used / limit : 1);
  }

  /** Each value of a label is a series for ever. */
  #labels(namespace: string): { readonly namespace: string; readonly currency: string } {
    const { currency } = this.#options.settings;
    if (!this.#series.has(namespace)) {
      if (this.#series.size >= mostNamespaces) return { namespace: otherNamespace, currency };
      this.#series.add(namespace);
    }
    return { namespace, currency };
  }
}

/** For how long one that has ended has lived, milliseconds. */
function spanOf(status: Pod["status"]): number | undefined {
  const begun = Date.parse(status?.startTime ?? "");
  const ends = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(({ state }) => {
    const at = Date.parse(state?.terminated?.finishedAt ?? "");
    return Number.isFinite(at) ? [at] : [];
  });
  const isOver = status?.phase === "Succeeded" || status?.phase === "Failed";
  return isOver && Number.isFinite(begun) && ends.length > 0 ? Math.max(...ends) - begun : undefined;
}
