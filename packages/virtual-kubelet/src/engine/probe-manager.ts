// Probes of any number of containers: one heap of due times, one timer, so many at a time. What an outcome means is decided
// by probe-state.ts, when the next one is due by probe-schedule.ts.
import { type Clock, systemClock } from "../clock.ts";
import { errorText } from "../errors.ts";
import { DueHeap, type HeapItem } from "../kube/due-heap.ts";
import type { Probe } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { ProbeMetrics } from "../provider/node.ts";
import type { ContainerRef } from "./container-runtime.ts";
import { type ProbeAction, runProbe, runProbeTries } from "./probe-action.ts";
import { type CountedResult, ProbeCounts } from "./probe-counts.ts";
import { timedOut } from "./probe-exec.ts";
import { type ProbeOutcome, probeEvent } from "./probe-outcome.ts";
import type { ProbedRun, ProbeListener, ProbeManager, ProbeType, RunResults } from "./probe-results.ts";
import { firstDue, nextDue, resumedDue } from "./probe-schedule.ts";
import { initialState, nextState, type ProbeRules, type ProbeState, probeRules } from "./probe-state.ts";
import { userAgent } from "./probe-text.ts";

export interface ContainerProbesOptions {
  readonly listener: ProbeListener;
  readonly log: Logger;
  /** For the User-Agent, e.g. "v1.36.3". */
  readonly kubernetesVersion: string;
  readonly clock?: Clock | undefined;
  /** 0 to below 1. */
  readonly random?: (() => number) | undefined;
  /** Probes under way at the same time; default 256. */
  readonly concurrency?: number | undefined;
  /** Carries out one probe; default over this machine's network and the run's `exec`. */
  readonly action?: ProbeAction | undefined;
}

/** One probe of one run. On the heap, under way, held off until the startup probe has succeeded, or done. */
interface Scheduled extends HeapItem {
  readonly run: Run;
  readonly type: ProbeType;
  readonly probe: Probe;
  readonly rules: ProbeRules;
  /** Where its pace began. */
  first: number;
  state: ProbeState;
  underWay: AbortController | undefined;
}

interface Run {
  target: ProbedRun;
  readonly scheduled: Map<ProbeType, Scheduled>;
  results: RunResults;
  /** Commands that were told to stop and have not: no more of them before they have. */
  commands: number;
}

const types = ["startup", "liveness", "readiness"] as const;

export class ContainerProbes implements ProbeManager {
  readonly #options: ContainerProbesOptions;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #began: number;
  readonly #pods = new Map<string, Map<string, Run>>();
  readonly #heap = new DueHeap<Scheduled>();
  readonly #counts = new ProbeCounts();
  readonly #underWay = new Set<Promise<void>>();
  #lastNow: number;
  #alarm: { readonly due: number; readonly cancel: () => void } | undefined;
  #stopped = false;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#userAgent = userAgent("probe", options.kubernetesVersion);
    this.#began = this.#clock.now();
    this.#lastNow = this.#began;
  }

  sync(podUid: string, runs: readonly ProbedRun[]): void {
    if (this.#stopped) return;
    const before = this.#pods.get(podUid);
    if (before === undefined && runs.length === 0) return;
    const after = new Map<string, Run>();
    for (const target of runs) {
      const key = keyOf(target.ref);
      const run = before?.get(key) ?? { target, scheduled: new Map(), results: initialResults(target), commands: 0 };
      run.target = target;
      after.set(key, run);
      this.#match(run);
    }
    for (const [key, run] of before ?? [])
      if (!after.has(key)) for (const item of run.scheduled.values()) this.#drop(item);
    if (after.size > 0) this.#pods.set(podUid, after);
    else this.#pods.delete(podUid);
    this.#counts.active(podUid, after.size > 0, this.#clock.now());
    this.#begin();
  }

  results(ref: ContainerRef): RunResults | undefined {
    return this.#pods.get(ref.podUid)?.get(keyOf(ref))?.results;
  }

  /** For /metrics/probes. */
  metrics(): ProbeMetrics {
    return this.#counts.view(this.#clock.now());
  }

  stop(): void {
    this.#stopped = true;
    for (const pod of this.#pods.values())
      for (const run of pod.values()) for (const item of run.scheduled.values()) this.#drop(item);
    this.#pods.clear();
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  /** Ends all probes; resolves when none is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.all(this.#underWay);
  }

  /** Has those probes go on that are to, and no others. */
  #match(run: Run): void {
    const { types: wanted } = run.target;
    for (const type of types) {
      const item = run.scheduled.get(type);
      if (item !== undefined && !wanted.includes(type)) {
        this.#drop(item);
        run.scheduled.delete(type);
        // What is being stopped is judged no more.
        if (type === "liveness") run.results = { ...run.results, liveness: "success" };
      }
      const probe = item === undefined && wanted.includes(type) ? probeOf(run, type) : undefined;
      if (probe !== undefined) this.#schedule(run, type, probe);
    }
  }

  #schedule(run: Run, type: ProbeType, probe: Probe): void {
    const now = this.#clock.now();
    const rules = probeRules(probe);
    const { known, startedAt } = run.target;
    const found = startedAt < this.#began && now - this.#began < rules.periodMs;
    const first = firstDue(rules, startedAt, now, found ? (this.#options.random ?? Math.random)() : undefined);
    const state = initialState(type, known);
    const item: Scheduled = {
      ...{ run, type, probe, rules, first, state, underWay: undefined },
      ...{ due: first, heapIndex: -1 },
    };
    run.scheduled.set(type, item);
    if (isOn(item)) this.#heap.push(item);
  }

  #drop(item: Scheduled): void {
    this.#heap.remove(item);
    item.underWay?.abort();
    item.underWay = undefined;
  }

  /** Begins what is due, as far as there is room, and sets the timer for the next. */
  #begin(): void {
    const now = this.#clock.now();
    if (now < this.#lastNow) this.#setBack(now - this.#lastNow);
    this.#lastNow = now;
    const room = this.#options.concurrency ?? 256;
    for (let item = this.#heap.peek(); item !== undefined && item.due <= now; item = this.#heap.peek()) {
      // Whoever ends next makes room.
      if (this.#underWay.size >= room) break;
      this.#heap.remove(item);
      const controller = new AbortController();
      item.underWay = controller;
      const work = this.#probe(item, controller.signal).finally(() => {
        this.#underWay.delete(work);
        if (!this.#stopped) this.#begin();
      });
      this.#underWay.add(work);
    }
    const next = this.#heap.peek()?.due;
    this.#setAlarm(next !== undefined && next > now ? next : undefined);
  }

  /** The clock was set back: what would be due after that time is due as if it had not been. */
  #setBack(ms: number): void {
    this.#setAlarm(undefined);
    for (const pod of this.#pods.values())
      for (const run of pod.values())
        for (const item of run.scheduled.values()) {
          // All of them by the same: their order on the heap stays.
          item.due += ms;
          item.first += ms;
        }
  }

  #setAlarm(due: number | undefined): void {
    if (this.#alarm?.due === due) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (due === undefined) return;
    const cancel = this.#clock.schedule(due - this.#clock.now(), () => {
      this.#alarm = undefined;
      this.#begin();
    });
    this.#alarm = { due, cancel };
  }

  /** Never rejects. */
  async #probe(item: Scheduled, signal: AbortSignal): Promise<void> {
    const { probe, run, type } = item;
    const { target } = run;
    const log = this.#options.log.child({ pod: target.owner.name, uid: target.owner.uid, container: target.ref.name });
    const began = this.#clock.now();
    let outcome: ProbeOutcome;
    try {
      const context = { signal, log, userAgent: this.#userAgent, clock: this.#clock };
      const action = this.#options.action ?? runProbe;
      outcome =
        probe.exec !== undefined && run.commands > 0
          ? timedOut(probe.exec.command ?? [], item.rules.timeoutMs)
          : await runProbeTries(probe, counted(run), context, action);
    } catch (error) {
      if (signal.aborted) return;
      outcome = { type: "error", state: "unknown", message: errorText(error) };
    }
    if (signal.aborted) return;
    item.underWay = undefined;
    const now = this.#clock.now();
    this.#counts.add(target.owner, target.ref.name, type, countedAs(outcome), Math.max(0, now - began) / 1000);
    const event = probeEvent(type, outcome);
    if (event !== undefined) this.#options.listener.event(run.target, event.type, event.reason, event.message);
    if (outcome.type !== "error")
      item.state = nextState(type, item.state, item.rules, outcome.type === "failure" ? "failure" : "success");
    item.due = nextDue(item.rules, item.due, now);
    const changed = run.results[type] !== item.state.result;
    if (changed) run.results = { ...run.results, [type]: item.state.result };
    if (changed && type === "startup" && item.state.result === "success") this.#started(run, now);
    if (isOn(item)) this.#heap.push(item);
    if (changed) this.#options.listener.changed(target.ref.podUid);
  }

  /** What the startup probe held off: whether it serves is asked at once. */
  #started(run: Run, now: number): void {
    for (const item of run.scheduled.values()) {
      if (item.type === "startup" || item.underWay !== undefined || item.heapIndex >= 0) continue;
      item.due = item.type === "readiness" ? Math.max(now, item.first) : resumedDue(item.rules, item.first, now);
      this.#heap.push(item);
    }
  }
}

const keyOf = ({ name, attempt }: ContainerRef): string => `${name}/${attempt}`;

function probeOf({ target }: Run, type: ProbeType): Probe | undefined {
  const { startupProbe, livenessProbe, readinessProbe } = target.container;
  return { startup: startupProbe, liveness: livenessProbe, readiness: readinessProbe }[type];
}

function initialResults({ container, known }: ProbedRun): RunResults {
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const of = (probe: Probe | undefined, type: ProbeType) =>
    probe === undefined ? "success" : initialState(type, known).result;
  return {
    startup: of(startupProbe, "startup"),
    liveness: of(livenessProbe, "liveness"),
    readiness: of(readinessProbe, "readiness"),
  };
}

/** Has something to find out, and may. */
function isOn({ run, state, type }: Scheduled): boolean {
  return !state.isDone && (type === "startup" || run.results.startup === "success");
}

function counted(run: Run): ProbedRun {
  const { target } = run;
  return {
    ...target,
    exec: async (command, io, context) => {
      let told = false;
      const onAbort = (): void => {
        told = true;
        run.commands += 1;
      };
      context.signal.addEventListener("abort", onAbort, { once: true });
      try {
        return await target.exec(command, io, context);
      } finally {
        context.signal.removeEventListener("abort", onAbort);
        if (told) run.commands -= 1;
      }
    },
  };
}

function countedAs(outcome: ProbeOutcome): CountedResult {
  if (outcome.type === "error") return "unknown";
  return outcome.type === "failure" ? "failed" : "successful";
}
