// Probes of several containers against a model that knows no heap, no timer and no counters: it looks at each second anew.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Probe } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { probedRun } from "../testing/probe-bench.ts";
import { ContainerProbes } from "./probe-manager.ts";
import type { ProbedRun, ProbeResult, ProbeType } from "./probe-results.ts";

const seconds = 40;
const types = ["startup", "liveness", "readiness"] as const;

type Found = "success" | "failure" | "error";

/** One pod of one container: its probes, what they find by second, and what becomes of it when. */
interface Story {
  readonly probes: Readonly<Partial<Record<ProbeType, Required<Numbers>>>>;
  readonly found: Readonly<Record<ProbeType, readonly Found[]>>;
  /** Seconds at which a new run begins; the first at 0. */
  readonly restarts: readonly number[];
  /** From then on only readiness counts. */
  readonly deletedAt: number | undefined;
}

type Numbers = Pick<Probe, "initialDelaySeconds" | "periodSeconds" | "failureThreshold" | "successThreshold">;

const numbers: fc.Arbitrary<Required<Numbers>> = fc.record({
  initialDelaySeconds: fc.integer({ min: 0, max: 6 }),
  periodSeconds: fc.integer({ min: 1, max: 5 }),
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.constant(1),
});
const found = fc.array(fc.constantFrom<Found>("success", "success", "failure", "failure", "error"), {
  minLength: seconds + 1,
  maxLength: seconds + 1,
});
const story: fc.Arbitrary<Story> = fc.record({
  probes: fc.record(
    {
      startup: numbers,
      liveness: numbers,
      readiness: fc
        .tuple(numbers, fc.integer({ min: 1, max: 3 }))
        .map(([other, successThreshold]) => ({ ...other, successThreshold })),
    },
    { requiredKeys: [] },
  ),
  found: fc.record({ startup: found, liveness: found, readiness: found }),
  restarts: fc.uniqueArray(fc.integer({ min: 1, max: seconds - 1 }), { maxLength: 2 }),
  deletedAt: fc.option(fc.integer({ min: 1, max: seconds - 1 }), { nil: undefined }),
});

/** Lines "second pod/attempt what", in the order of their seconds. */
function expected({ probes, found: finds, restarts, deletedAt }: Story, pod: string): readonly string[] {
  const lines: string[] = [];
  const starts = [0, ...restarts.toSorted((a, b) => a - b)];
  for (const [attempt, start] of starts.entries()) {
    const end = starts[attempt + 1] ?? seconds;
    const seen: Record<ProbeType, Found[]> = { startup: [], liveness: [], readiness: [] };
    const startup = (): ProbeResult => {
      if (probes.startup === undefined) return "success";
      return said(seen.startup, probes.startup)[0] ?? "unknown";
    };
    let startedAt = probes.startup === undefined ? Number.NEGATIVE_INFINITY : undefined;
    let readiness: ProbeResult = "failure";
    for (let second = start; second <= end; second++) {
      // What is asked in the second in which a run ends comes before its end.
      const isDeleted = deletedAt !== undefined && (second > deletedAt || (second === deletedAt && second === start));
      for (const type of types) {
        const rules = probes[type];
        if (rules === undefined || (isDeleted && type !== "readiness")) continue;
        if (type === "startup" ? startup() !== "unknown" : startedAt === undefined) continue;
        if (type === "liveness" && said(seen.liveness, rules).includes("failure")) continue;
        const first = start + rules.initialDelaySeconds;
        const from = type === "readiness" ? Math.max(first, startedAt ?? 0) : first;
        if (second < from || (second - from) % rules.periodSeconds !== 0) continue;
        const outcome = finds[type][second] ?? "success";
        for (let tries = outcome === "error" ? 3 : 1; tries > 0; tries--)
          lines.push(`${second} ${pod}/${attempt} ${type}`);
        if (outcome === "error") continue;
        seen[type].push(outcome);
        const last = said(seen[type], rules).at(-1);
        if (type === "startup" && last !== undefined) {
          if (last === "success") startedAt = second;
          lines.push(`${second} ${pod}/${attempt} startup is ${last}`);
        }
        if (type === "liveness" && last === "failure") lines.push(`${second} ${pod}/${attempt} liveness is failure`);
        if (type === "readiness" && last !== undefined && last !== readiness) {
          readiness = last;
          lines.push(`${second} ${pod}/${attempt} readiness is ${last}`);
        }
      }
    }
  }
  return lines.toSorted();
}

/** Each outcome that ended a row of equal ones that was long enough. */
function said(seen: readonly Found[], rules: Required<Numbers>): readonly ("success" | "failure")[] {
  return seen.flatMap((outcome, at) => {
    if (outcome === "error") return [];
    const need = outcome === "success" ? rules.successThreshold : rules.failureThreshold;
    const row = seen.slice(Math.max(0, at + 1 - need), at + 1);
    return row.length === need && row.every((other) => other === outcome) ? [outcome] : [];
  });
}

async function observed(stories: readonly Story[]): Promise<readonly (readonly string[])[]> {
  const clock = new FakeClock(0);
  const lines: string[][] = stories.map(() => []);
  const current: ProbedRun[] = [];
  const known = new Map<number, string>();
  const note = (pod: number, what: string): void => {
    const attempt = current[pod]?.ref.attempt ?? -1;
    lines[pod]?.push(`${clock.now() / 1000} ${pod}/${attempt} ${what}`);
  };
  const results = (pod: number) => {
    const ref = current[pod]?.ref;
    return ref === undefined ? undefined : probes.results(ref);
  };
  const probes = new ContainerProbes({
    ...{ clock, log: silentLogger, kubernetesVersion: "v1.36.3", concurrency: 2 },
    listener: {
      event: () => {},
      changed: (uid) => {
        const pod = Number(uid);
        const now = results(pod);
        const before: Record<string, unknown> = JSON.parse(known.get(pod) ?? "{}");
        for (const type of types) if (now?.[type] !== before[type]) note(pod, `${type} is ${now?.[type]}`);
        known.set(pod, JSON.stringify(now));
      },
    },
    action: async ({ exec }, target) => {
      const [pod = "", type = ""] = exec?.command ?? [];
      const outcome = types
        .map((other) => (other === type ? stories[Number(pod)]?.found[other] : undefined))
        .find(Boolean);
      const what = outcome?.[clock.now() / 1000] ?? "success";
      lines[Number(pod)]?.push(`${clock.now() / 1000} ${pod}/${target.ref.attempt} ${type}`);
      if (what === "success") return { type: "success" };
      if (what === "failure") return { type: "failure", output: "" };
      return { type: "error", state: "unknown", message: "" };
    },
  });
  for (let second = 0; second <= seconds; second++) {
    await clock.advance(second === 0 ? 0 : 1000);
    for (const [pod, { deletedAt, probes: rules, restarts }] of stories.entries()) {
      const begins = second === 0 || restarts.includes(second);
      if (begins) {
        const probeOf = (type: ProbeType): Probe | undefined =>
          rules[type] && { ...rules[type], exec: { command: [String(pod), type] } };
        const [startupProbe, livenessProbe, readinessProbe] = types.map(probeOf);
        current[pod] = probedRun({
          ref: { podUid: String(pod), name: "c", attempt: (current[pod]?.ref.attempt ?? -1) + 1 },
          startedAt: second * 1000,
          container: {
            name: "c",
            ...(startupProbe && { startupProbe }),
            ...(livenessProbe && { livenessProbe }),
            ...(readinessProbe && { readinessProbe }),
          },
        });
      }
      const run = current[pod];
      if (run === undefined) continue;
      const isDeleted = deletedAt !== undefined && second >= deletedAt;
      const wanted = types.filter((type) => rules[type] !== undefined && (!isDeleted || type === "readiness"));
      if (begins || second === deletedAt) probes.sync(String(pod), [{ ...run, types: wanted }]);
      known.set(pod, JSON.stringify(results(pod)));
    }
    await clock.advance(0);
  }
  for (const pod of stories.keys()) probes.sync(String(pod), []);
  await clock.advance(0);
  assert.equal(clock.pending, 0, "no timer is left");
  return lines.map((those) => those.toSorted());
}

test("what is asked when, and what it comes to, is as the rules have it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(story, { minLength: 1, maxLength: 3 }), async (stories) => {
      const lines = await observed(stories);
      for (const [pod, one] of stories.entries()) assert.deepEqual(lines[pod], expected(one, String(pod)));
    }),
    { numRuns: 150 },
  );
});
