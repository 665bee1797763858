// The bytes of /metrics/resource, and that metrics-server's reading of it never loses a pod over random histories.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  at,
  containerStats,
  epochMs,
  podStats,
  runningPod,
  runningStatus,
  summary,
} from "../testing/stats-fixtures.ts";
import { renderResourceMetrics } from "./resource-metrics.ts";
import { StatsHistory } from "./stats-history.ts";
import { holdMs } from "./stats-samples.ts";

const render = (given: ReturnType<typeof summary>, pods = [runningPod("web", ["main", "side"])]): string =>
  renderResourceMetrics(new StatsHistory("vk").update(given, pods, epochMs + 10_000), false);
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("the text", () => {
  it("has the names, labels and times of a kubelet, memory before CPU", () => {
    const side = {
      ...containerStats({ name: "side", time: 9, cpu: 1, memory: 50 }),
      swap: { time: at(9), swapUsageBytes: 5, swapAvailableBytes: 7 },
    };
    const text = render(summary(podStats("web", containerStats({ time: 10, cpu: 2.5, memory: 100 }), side)));
    assert.equal(
      text,
      `# HELP container_memory_working_set_bytes Working set of the container in bytes
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 100 1767225610000
container_memory_working_set_bytes{container="side",namespace="default",pod="web"} 50 1767225609000
# HELP container_cpu_usage_seconds_total CPU time used by the container since its start, in core-seconds
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 2.5 1767225610000
container_cpu_usage_seconds_total{container="side",namespace="default",pod="web"} 1 1767225609000
# HELP container_start_time_seconds When the container started, in seconds since the epoch
# TYPE container_start_time_seconds gauge
container_start_time_seconds{container="main",namespace="default",pod="web"} 1767225600
container_start_time_seconds{container="side",namespace="default",pod="web"} 1767225600
# HELP container_swap_limit_bytes Swap that the container may use, in bytes
# TYPE container_swap_limit_bytes gauge
container_swap_limit_bytes{container="side",namespace="default",pod="web"} 12 1767225609000
# HELP container_swap_usage_bytes Swap used by the container in bytes
# TYPE container_swap_usage_bytes gauge
container_swap_usage_bytes{container="side",namespace="default",pod="web"} 5 1767225609000
# HELP node_memory_working_set_bytes Working set of the node in bytes
# TYPE node_memory_working_set_bytes gauge
node_memory_working_set_bytes 150 1767225610000
# HELP node_cpu_usage_seconds_total CPU time used by the node, in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 1e-9 1767225610000
# HELP pod_memory_working_set_bytes Working set of the pod in bytes
# TYPE pod_memory_working_set_bytes gauge
pod_memory_working_set_bytes{namespace="default",pod="web"} 150 1767225610000
# HELP pod_cpu_usage_seconds_total CPU time used by the pod since its start, in core-seconds
# TYPE pod_cpu_usage_seconds_total counter
pod_cpu_usage_seconds_total{namespace="default",pod="web"} 3.5 1767225610000
# HELP resource_scrape_error 1 when the figures could not be had, else 0
# TYPE resource_scrape_error gauge
resource_scrape_error 0
# HELP scrape_error Deprecated: resource_scrape_error
# TYPE scrape_error gauge
scrape_error 0
`,
    );
  });

  it("has a container with all of its figures or none of its lines", () => {
    const whole = containerStats({ time: 10, cpu: 1, memory: 1 });
    for (const partial of [
      containerStats({ name: "side", time: 10, cpu: 1 }),
      containerStats({ name: "side", time: 10, memory: 1 }),
      containerStats({ name: "side", time: 10, cpu: 0, memory: 1 }),
      containerStats({ name: "side", time: 10, cpu: 1, memory: 0 }),
      containerStats({ name: "side", time: 10 }),
    ]) {
      const text = render(summary(podStats("web", whole, partial)));
      assert.equal(lines(text).filter((line) => line.includes('"side"')).length, 0);
      assert.equal(lines(text).filter((line) => line.startsWith("container_") && line.includes('"main"')).length, 3);
    }
  });

  it("without usage says only whether that is a failure", () => {
    assert.deepEqual(lines(renderResourceMetrics(undefined, true)), ["resource_scrape_error 1", "scrape_error 1"]);
    assert.deepEqual(lines(renderResourceMetrics(undefined, false)), ["resource_scrape_error 0", "scrape_error 0"]);
  });
});

/** A reader like metrics-server: points of containers by pod, pods with a zero or incomplete container not at all. */
interface Point {
  cpu: number;
  memory: number;
  start: number;
  time: number;
}
function read(text: string) {
  const pods = new Map<string, Map<string, Point>>();
  const node: Point = { cpu: 0, memory: 0, start: 0, time: 0 };
  const podCounters = new Map<string, number>();
  for (const line of lines(text)) {
    const [, name = "", labels = "", value = "", time] = /^(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?$/.exec(line) ?? [];
    const label = (key: string): string => labels.split(`${key}="`)[1]?.split('"')[0] ?? "";
    let point = node;
    if (name.startsWith("container_")) {
      const containers = pods.get(label("pod")) ?? new Map<string, Point>();
      pods.set(label("pod"), containers);
      point = containers.get(label("container")) ?? { cpu: 0, memory: 0, start: 0, time: 0 };
      containers.set(label("container"), point);
    } else if (name === "pod_cpu_usage_seconds_total") {
      podCounters.set(label("pod"), Number(value));
      continue;
    } else if (!name.startsWith("node_")) continue;
    if (time !== undefined) point.time = Number(time);
    if (name.endsWith("_cpu_usage_seconds_total")) point.cpu = Number(value);
    if (name.endsWith("_memory_working_set_bytes")) point.memory = Number(value);
    if (name.endsWith("_start_time_seconds")) point.start = Number(value);
  }
  const dropped = [...pods].filter(([, of]) =>
    [...of.values()].some(({ cpu, memory }) => !(cpu >= 1e-9 && memory > 0)),
  );
  return { pods, dropped, node, podCounters };
}

describe("over random histories", () => {
  const event = fc.constantFrom(
    "good",
    "good",
    "good",
    "zero",
    "no memory",
    "missing",
    "dip",
    "restart",
    "ended",
    "same",
  );
  const containers = ["a/x", "a/y", "b/x"] as const;
  const step = fc.record({
    seconds: fc.integer({ min: 1, max: 70 }),
    lag: fc.integer({ min: 0, max: 20 }),
    used: fc.integer({ min: 0, max: 30 }),
    events: fc.tuple(event, event, event),
    podGone: fc.boolean(),
    failed: fc.boolean(),
  });
  const kind = fc.constantFrom("counter", "rate", "both");

  it("no pod is lost to a reader, no counter falls, nothing is told of what does not run", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.tuple(kind, kind, kind),
        fc.boolean(),
        (steps, kinds, startKnown) => {
          const history = new StatsHistory("vk");
          let now = 1000;
          const model = containers.map(() => ({ start: 1000, raw: 0.5, running: true, goodAt: -1, sampleAt: -1 }));
          const before = new Map<string, Point>();
          const podsBefore = new Map<string, number>();
          let nodeBefore = 0;
          let given = summary();
          let givenAt = now;
          for (const { seconds, lag, used, events, podGone, failed } of steps) {
            now += seconds;
            const stats = containers.map((key, index) => {
              const of = model[index];
              const what = events[index];
              if (of === undefined) return undefined;
              if (what === "ended") of.running = false;
              else if (what === "restart" || !of.running)
                Object.assign(of, { start: now, raw: 0.1, running: true, goodAt: -1, sampleAt: -1 });
              // A provider may go on about a container that has ended.
              if (failed || (!of.running && used % 2 === 0)) return undefined;
              const time = Math.max(now - lag, of.start);
              if (what === "missing") return undefined;
              const zero = what === "zero";
              if (!zero && what !== "dip" && what !== "same") of.raw += used;
              const isGood = what === "good" || what === "restart" || what === "same";
              if (of.running && isGood && time >= of.sampleAt) of.goodAt = now;
              if (!zero) of.sampleAt = Math.max(of.sampleAt, time);
              const cpu = zero ? 0 : what === "dip" ? of.raw / 2 : of.raw;
              return containerStats({
                name: key.slice(2),
                start: startKnown ? of.start : 1000,
                time,
                ...(kinds[index] === "rate" ? {} : { cpu }),
                ...(kinds[index] === "counter" ? {} : { cores: zero ? 0 : used / seconds }),
                memory: zero || what === "no memory" ? 0 : 100,
              });
            });
            const statuses = (pod: string) =>
              containers.flatMap((key, index) => {
                if (!key.startsWith(pod)) return [];
                const running = runningStatus(key.slice(2), at(model[index]?.start ?? 0));
                return [model[index]?.running ? running : { ...running, state: { terminated: { exitCode: 0 } } }];
              });
            const of = (pod: string) =>
              stats.filter((_, index) => containers[index]?.startsWith(pod)).filter((one) => one !== undefined);
            const pods = [runningPod("a", ["x", "y"], { containerStatuses: statuses("a") })];
            if (!podGone) pods.push(runningPod("b", ["x"], { containerStatuses: statuses("b") }));
            if (!failed) givenAt = now;
            // The collector serves the last summary again for so long.
            else if (now - givenAt > 60) continue;
            if (!failed) given = summary(podStats("a", ...of("a")), podStats("b", ...of("b")));
            const nowMs = epochMs + now * 1000;
            const told = read(renderResourceMetrics(history.update(given, pods, nowMs), failed));

            assert.deepEqual(told.dropped, []);
            assert.equal(history.size, pods.length);
            for (const [index, key] of containers.entries()) {
              const is = model[index];
              const point = told.pods.get(key.slice(0, 1))?.get(key.slice(2));
              const bound = !(podGone && key.startsWith("b"));
              if (podGone && key.startsWith("b") && is !== undefined) is.goodAt = -1;
              assert.ok(point === undefined || (bound && is?.running), `${key} is told and does not run`);
              const expected = bound && is?.running && is.goodAt >= 0 && (now - is.goodAt) * 1000 <= holdMs;
              assert.ok(point !== undefined || !expected, `${key} runs, was measured and is not told`);
              const last = before.get(key);
              if (!bound) before.delete(key);
              if (point === undefined) continue;
              assert.ok(point.time <= nowMs);
              if (last?.start === point.start) {
                assert.ok(point.cpu >= last.cpu, `${key} falls from ${last.cpu} to ${point.cpu}`);
                assert.ok(point.time >= last.time, `${key} goes back in time`);
              }
              before.set(key, point);
            }
            for (const [pod, counter] of told.podCounters) {
              assert.ok(counter >= (podsBefore.get(pod) ?? 0), `pod ${pod} falls`);
              podsBefore.set(pod, counter);
            }
            if (podGone) podsBefore.delete("b");
            assert.ok(told.node.cpu === 0 || told.node.cpu >= nodeBefore, `node falls to ${told.node.cpu}`);
            if (told.node.cpu > 0) nodeBefore = told.node.cpu;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
