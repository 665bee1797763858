// Pods under ceilings of costs: who is let in and who waits, what they cost, and what a program that comes after this one knows.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BudgetSettings, Ceiling } from "../budget/budget-settings.ts";
import { Budgets } from "../budget/budgets.ts";
import type { BudgetOnNode } from "../budget/node-budget.ts";
import { spendAnnotation } from "../budget/spend-ledger.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PriceTable } from "../provider/billing.ts";
import { PodBench, type PodBenchOptions } from "../testing/pod-bench.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

interface Given extends Partial<Pick<BudgetSettings, "overCeiling">> {
  readonly table?: PriceTable;
  readonly nodes?: readonly Ceiling[];
  readonly namespaces?: readonly Ceiling[];
  readonly bench?: PodBenchOptions;
}

/** A core costs 1 an hour. */
class Bench implements AsyncDisposable {
  readonly pods: PodBench;
  readonly told = new Map<string, BudgetOnNode>();
  /** Of the Node, as a program before this one left them. */
  annotations: Readonly<Record<string, string>> = {};
  readonly #given: Given;
  readonly #controller: { budgets?: Budgets } = {};
  #end: AbortController = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(given: Given) {
    this.#given = given;
    this.pods = new PodBench({ ...given.bench, controller: this.#controller });
  }

  get budgets(): Budgets {
    return this.#controller.budgets ?? assert.fail("not started");
  }

  async start(): Promise<void> {
    const { table = { cpu: 1 }, nodes = [], namespaces = [], overCeiling = "hold" } = this.#given;
    const settings = { currency: "EUR", prices: { mock: table }, ceilings: { nodes, namespaces }, overCeiling };
    this.#controller.budgets = new Budgets({
      settings,
      nodes: this.pods.nodes.map((name) => ({
        ...{ name, prices: "mock", billedSize: undefined },
        object: () => ({ metadata: { name, uid: "u", resourceVersion: "1", annotations: this.annotations } }),
      })),
      clock: this.pods.clock,
      metrics: this.pods.metrics,
      changed: (node, told) => this.told.set(node, told),
    });
    this.#end = new AbortController();
    this.#running = this.budgets.run(this.#end.signal);
    await this.pods.start();
  }

  /** Ends the program; what it left on the node is there for the next. */
  async stop(): Promise<void> {
    this.annotations = this.told.get("n")?.annotations ?? {};
    this.#end.abort();
    await this.pods.stop();
    await this.#running;
  }

  create(name: string, cpu = "1", node = "n"): Stored<Pod> {
    const containers = [{ name: "c", image: "i", resources: { requests: { cpu } } }];
    return this.pods.api.create(node, name, { spec: { containers, terminationGracePeriodSeconds: 0 } });
  }

  is(name: string): string {
    const { phase, reason = "" } = this.pods.api.get(name)?.status ?? {};
    return `${phase} ${reason}`.trim();
  }

  /** Of one series, as a scrape has it. */
  async metric(series: string): Promise<number> {
    const text = await this.pods.metrics.registry.metrics();
    const line = text.split("\n").find((each) => each.startsWith(`virtual_kubelet_${series} `));
    return Number(line?.split(" ").at(-1) ?? assert.fail(`no ${series}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.pods[Symbol.asyncDispose]();
  }
}

async function started(given: Given): Promise<Bench> {
  const bench = new Bench(given);
  await bench.start();
  return bench;
}

const full = ({ conditions, taints }: BudgetOnNode): string =>
  `${conditions.map(({ status }) => status)} ${taints.map(({ key }) => key)}`.trim();
const near = (amount: number, expected: number): void =>
  assert.ok(Math.abs(amount - expected) < 0.01, `${amount} for ${expected}`);
const total = 'namespace_cost_total{namespace="default",currency="EUR"}';
const taint = "virtual-kubelet.io/budget-exceeded";

describe("a ceiling per hour", () => {
  it("lets in what fits, has the rest wait, in the order in which they came, and goes on when there is room", async () => {
    await using bench = await started({ nodes: [{ name: "n", perHour: 2 }] });
    for (const name of ["a", "b"]) bench.create(name);
    await bench.pods.clock.advance(second);
    for (const name of ["c", "d"]) {
      bench.create(name);
      await bench.pods.clock.advance(second);
    }
    assert.deepEqual(
      ["a", "b", "c", "d"].map((name) => bench.is(name)),
      [...["Running", "Running", "Pending BudgetExceeded", "Pending BudgetExceeded"]],
    );
    assert.equal(full(bench.budgets.of("n")?.onNode("EUR") ?? assert.fail()), `True ${taint}`);
    assert.equal(await bench.metric('budget_waiting_pods{node="n"}'), 2);
    assert.equal(await bench.metric('budget_used_ratio{kind="node",name="n",per="hour"}'), 1);
    assert.equal(await bench.metric('node_cost_per_hour{node="n",currency="EUR"}'), 2);
    assert.equal(await bench.metric('namespace_cost_per_hour{namespace="default",currency="EUR"}'), 2);
    // Nothing of them was asked of the back end, and their event was told once.
    await bench.pods.clock.advance(5 * minute);
    assert.equal(bench.pods.calls.filter((call) => call.startsWith("createPod")).length, 2);
    assert.deepEqual(
      bench.pods.events.filter((event) => event.includes("Budget")),
      [...["Warning BudgetExceeded c", "Warning BudgetExceeded d"]],
    );

    bench.pods.api.remove("a");
    await bench.pods.clock.advance(5 * second);
    assert.deepEqual(
      ["c", "d"].map((name) => bench.is(name)),
      ["Running", "Pending BudgetExceeded"],
    );
    bench.pods.api.remove("d");
    await bench.pods.clock.advance(5 * second);
    assert.equal(bench.pods.api.get("d"), undefined);
    assert.equal(full(bench.told.get("n") ?? assert.fail()), "False");
  });

  it("refuses for good what is more by itself", async () => {
    await using bench = await started({ nodes: [{ name: "*", perHour: 2 }] });
    bench.create("huge", "3");
    await bench.pods.clock.advance(second);
    assert.equal(bench.is("huge"), "Failed BudgetExceeded");
    assert.equal(full(bench.told.get("n") ?? assert.fail()), "False");
  });

  it("fails what does not fit now, where that is wanted", async () => {
    await using bench = await started({ nodes: [{ name: "n", perHour: 1 }], overCeiling: "fail" });
    bench.create("a");
    await bench.pods.clock.advance(second);
    bench.create("b");
    await bench.pods.clock.advance(second);
    assert.deepEqual([bench.is("a"), bench.is("b")], ["Running", "Failed BudgetExceeded"]);
  });

  it("of a namespace holds over all nodes, and taints none", async () => {
    await using bench = await started({
      namespaces: [{ name: "default", perHour: 1.5 }],
      bench: { nodes: ["n", "other"] },
    });
    bench.create("a");
    await bench.pods.clock.advance(second);
    bench.create("b", "1", "other");
    await bench.pods.clock.advance(second);
    assert.equal(bench.is("b"), "Pending BudgetExceeded");
    assert.equal(full(bench.told.get("other") ?? assert.fail()), "");
    bench.pods.api.remove("a");
    await bench.pods.clock.advance(5 * second);
    assert.equal(bench.is("b"), "Running");
  });

  it("counts what runs when the program starts again", async () => {
    await using bench = await started({ nodes: [{ name: "n", perHour: 1 }] });
    bench.create("a");
    await bench.pods.clock.advance(second);
    await bench.stop();
    await bench.start();
    bench.create("b");
    await bench.pods.clock.advance(second);
    assert.deepEqual([bench.is("a"), bench.is("b")], ["Running", "Pending BudgetExceeded"]);
  });
});

describe("what is spent", () => {
  it("is counted from when the back end took the pod until it has gone, and stops further pods until the next day", async () => {
    await using bench = await started({ nodes: [{ name: "n", perDay: 3 }] });
    bench.create("a", "2");
    await bench.pods.clock.advance(91 * minute);
    near(await bench.metric(total), (2 * 91) / 60);
    bench.create("b");
    await bench.pods.clock.advance(minute);
    assert.equal(bench.is("b"), "Pending BudgetExceeded");
    assert.equal(bench.is("a"), "Running", "what runs goes on");
    assert.equal(full(bench.told.get("n") ?? assert.fail()), `True ${taint}`);
    bench.pods.api.remove("a");
    await bench.pods.clock.advance(hour);
    assert.equal(bench.is("b"), "Pending BudgetExceeded");
    await bench.pods.clock.advance(22 * hour);
    assert.equal(bench.is("b"), "Running", "the day is over");
  });

  it("of pods that have ended, too, is known to the next program, which counts what came between as well", async () => {
    await using bench = await started({ namespaces: [{ name: "*", perMonth: 3 }] });
    bench.create("a", "2");
    bench.create("b");
    await bench.pods.clock.advance(30 * minute);
    bench.pods.api.remove("a");
    // Written at the latest after a minute.
    await bench.pods.clock.advance(2 * minute);
    await bench.stop();
    assert.match(bench.annotations[spendAnnotation] ?? "", /"month":\{"":1\.5\d*,"default":1\.5\d*\}/);
    await bench.pods.clock.advance(hour);
    await bench.start();
    await bench.pods.clock.advance(second);
    // A counter of this program, and of the hour before it; the rest was counted by the one before.
    near(await bench.metric(total), 1 + 92 / 60);
    near(bench.budgets.of("n")?.spent("month", "default") ?? 0, 1 + 92 / 60);
    await bench.pods.clock.advance(30 * minute);
    bench.create("c");
    await bench.pods.clock.advance(second);
    assert.equal(bench.is("c"), "Pending BudgetExceeded");
  });

  it("is what the running pods have cost this month, where an earlier program left nothing", async () => {
    await using bench = await started({ nodes: [{ name: "n", perMonth: 100 }] });
    bench.create("a");
    await bench.pods.clock.advance(2 * hour);
    await bench.stop();
    bench.annotations = {};
    await bench.start();
    await bench.pods.clock.advance(second);
    await bench.metric('node_cost_per_hour{node="n",currency="EUR"}');
    near(bench.budgets.of("n")?.spent("month") ?? 0, 2);
  });

  it("is never less than the least that a pod costs", async () => {
    await using bench = await started({ table: { cpu: 60, minimum: minute } });
    const pod = bench.create("a");
    await bench.pods.clock.advance(10 * second);
    near(bench.budgets.costOf("n", { ...pod, status: {} })?.soFar ?? 0, 1);
    bench.pods.api.remove("a");
    await bench.pods.clock.advance(second);
    near(await bench.metric(total), 1);
    bench.create("b");
    await bench.pods.clock.advance(3 * minute);
    near(await bench.metric(total), 4);
  });

  it("begins with the back end's word, and is nothing for a pod that no back end has taken", async () => {
    await using bench = await started({});
    bench.pods.provider().control.faults.addError({ method: "createPod", kind: "Unavailable" });
    const pod = bench.create("a");
    await bench.pods.clock.advance(hour);
    assert.deepEqual(bench.budgets.costOf("n", pod), {
      currency: "EUR",
      perHour: 1,
      basis: "1 cpu, 0 GiB (its requests)",
    });
    assert.equal(await bench.metric('node_cost_per_hour{node="n",currency="EUR"}'), 1, "it is on its way");
    near(bench.budgets.of("n")?.spent("day") ?? 0, 0);
  });
});
