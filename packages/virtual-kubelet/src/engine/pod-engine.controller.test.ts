// A pod controller over an engine over a runtime in memory: the statuses that the API gets, and what kills of the program
// change in them, which is nothing.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, ContainerStatus, PodSpec, PodStatus } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { stateText } from "../testing/engine-bench.ts";
import { MemoryRuntime, type RunScript } from "../testing/memory-runtime.ts";
import { PodBench } from "../testing/pod-bench.ts";
import { PodEngine } from "./pod-engine.ts";

const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });
const sidecar = (name: string): Container => plain(name, { restartPolicy: "Always" });

class World implements AsyncDisposable {
  readonly bench: PodBench;
  readonly runtime: MemoryRuntime;
  /** Every distinct status of the pod in the API. */
  readonly history: string[] = [];
  readonly events: string[] = [];
  #engine: PodEngine | undefined;

  constructor(scripts: Readonly<Record<string, RunScript | readonly RunScript[]>>) {
    this.bench = new PodBench({
      wrap: () => this.#open(),
      controller: {
        recorder: {
          record: ({ fieldPath }, type, reason, message) =>
            this.events.push(`${type} ${fieldPath ?? "pod"} ${reason}: ${message}`),
        },
      },
    });
    this.runtime = new MemoryRuntime({
      clock: this.bench.clock,
      script: ({ name, attempt }) => {
        const script = scripts[name] ?? {};
        return Array.isArray(script) ? (script[attempt] ?? script.at(-1) ?? {}) : script;
      },
    });
  }

  async create(spec: PodSpec): Promise<void> {
    this.bench.api.after = () => {
      this.#look();
      return undefined;
    };
    await this.bench.start();
    this.bench.api.create("n", "web", { spec: { restartPolicy: "Always", ...spec } });
    this.history.length = 0;
    await this.pass(0);
  }

  async pass(ms: number): Promise<void> {
    await this.bench.clock.advance(ms);
    this.#look();
  }

  #look(): void {
    const status = this.bench.api.get("web")?.status;
    const text = status === undefined ? "gone" : statusText(status);
    if (this.history.at(-1) !== text) this.history.push(text);
  }

  /** The program is killed and begins anew. */
  async kill(): Promise<void> {
    await this.bench.stop();
    await this.#engine?.[Symbol.asyncDispose]();
    await this.bench.start();
    await this.pass(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
    await this.#engine?.[Symbol.asyncDispose]();
  }

  #open(): PodEngine {
    const { clock } = this.bench;
    this.#engine = new PodEngine({ runtime: this.runtime, node: "n", log: silentLogger, clock, random: () => 0.5 });
    return this.#engine;
  }
}

/** "Running ready | c running #1". */
function statusText({ phase, conditions, initContainerStatuses = [], containerStatuses = [] }: PodStatus): string {
  const ready = conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true ? " ready" : "";
  const one = ({ name, state, restartCount }: ContainerStatus): string =>
    `${name} ${stateText(state ?? {})}${restartCount > 0 ? ` #${restartCount}` : ""}`;
  return [`${phase ?? ""}${ready}`, ...[...initContainerStatuses, ...containerStatuses].map(one)].join(" | ");
}

describe("statuses of a pod that is run by an engine", () => {
  const second = 1000;
  const scenarios: readonly {
    readonly name: string;
    readonly scripts: Readonly<Record<string, RunScript | readonly RunScript[]>>;
    readonly spec: PodSpec;
    readonly lasts: number;
    readonly deletedAt?: number;
    readonly golden: readonly string[];
  }[] = [
    {
      name: "an init container that fails twice, then the main one",
      scripts: {
        i: [
          { exitAfterMs: 2 * second, exitCode: 1 },
          { exitAfterMs: 2 * second, exitCode: 1 },
          { exitAfterMs: 2 * second, exitCode: 0 },
        ],
      },
      spec: { initContainers: [plain("i")], containers: [plain("c")] },
      lasts: 30 * second,
      golden: [
        "Pending | i running | c waiting PodInitializing",
        "Pending | i terminated 1 Error | c waiting PodInitializing",
        "Pending | i running #1 | c waiting PodInitializing",
        "Pending | i waiting CrashLoopBackOff #1 | c waiting PodInitializing",
        "Pending | i running #2 | c waiting PodInitializing",
        "Pending | i terminated 0 Completed #2 | c waiting PodInitializing",
        "Running ready | i terminated 0 Completed #2 | c running",
      ],
    },
    {
      name: "a job with a sidecar",
      scripts: { s: { termMs: 2 * second }, c: { exitAfterMs: 5 * second, exitCode: 0 } },
      spec: { restartPolicy: "Never", initContainers: [sidecar("s")], containers: [plain("c")] },
      lasts: 20 * second,
      golden: [
        "Pending | s running | c waiting PodInitializing",
        "Running ready | s running | c running",
        "Running | s running | c terminated 0 Completed",
        "Succeeded | s terminated 143 Error | c terminated 0 Completed",
      ],
    },
    {
      name: "a deletion in order",
      scripts: { s: { termMs: 2 * second, termExitCode: 0 }, c: { termMs: 3 * second, termExitCode: 0 } },
      spec: { initContainers: [sidecar("s")], containers: [plain("c")] },
      deletedAt: 5 * second,
      lasts: 20 * second,
      golden: [
        "Pending | s running | c waiting PodInitializing",
        "Running ready | s running | c running",
        "Running | s running | c terminated 0 Completed",
        "Succeeded | s terminated 0 Completed | c terminated 0 Completed",
        "gone",
      ],
    },
  ];
  for (const { name, scripts, spec, lasts, deletedAt = lasts + 1, golden } of scenarios) {
    it(name, async () => {
      await using world = new World(scripts);
      await world.create(spec);
      await world.pass(Math.min(lasts, deletedAt));
      if (deletedAt < lasts) world.bench.api.remove("web");
      await world.pass(Math.max(0, lasts - deletedAt));
      assert.deepEqual(settledStatuses(world.history), golden);
      assert.deepEqual(world.bench.api.sins, []);
      if (deletedAt < lasts) assert.deepEqual(world.runtime.pods, []);
    });

    it(`${name}, the program killed again and again`, async () => {
      await using world = new World(scripts);
      await world.create(spec);
      for (let at = 0; at < lasts; at += 1700) {
        await world.pass(1700);
        if (deletedAt < lasts && at < deletedAt && at + 1700 >= deletedAt) world.bench.api.remove("web");
        await world.kill();
      }
      await world.pass(10 * second);
      const last = golden.at(-1) ?? "";
      assert.equal(settledStatuses(world.history).at(-1), last);
      const known = new Set(golden);
      assert.deepEqual(
        settledStatuses(world.history).filter((text) => !known.has(text)),
        [],
        "no status that is not in the golden history",
      );
      const starts = world.runtime.journal
        .filter(({ what }) => what === "start")
        .map((one) => `${one.name}/${one.attempt}`);
      assert.equal(new Set(starts).size, starts.length, "no run began twice");
      assert.deepEqual(world.bench.api.sins, []);
      if (deletedAt < lasts) assert.deepEqual(world.runtime.pods, []);
    });
  }

  it("has its containers' events with their paths, and none about its own restarts", async () => {
    await using world = new World({});
    await world.create({ initContainers: [sidecar("s")], containers: [plain("c")] });
    await world.pass(1000);
    assert.ok(world.events.includes("Normal spec.initContainers{s} Started: Container started"));
    assert.ok(world.events.includes("Normal spec.containers{c} Created: Container created"));
    const before = world.events.length;
    await world.kill();
    await world.pass(5000);
    assert.deepEqual(world.events.slice(before), []);
  });
});

/** Without those of the first moments, which pass at once. */
function settledStatuses(history: readonly string[]): readonly string[] {
  return history.filter(
    (text) =>
      !text.includes("waiting ContainerCreating") &&
      !/i waiting PodInit|s waiting/.test(text) &&
      text !== "Pending" &&
      text !== "",
  );
}
