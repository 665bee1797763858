import assert from "node:assert/strict";
import { test } from "node:test";
import { renderProbeMetrics } from "./probe-metrics.ts";

test("nothing without probes", () => {
  assert.equal(renderProbeMetrics(undefined), "");
  assert.equal(renderProbeMetrics({ results: [], durations: [] }), "");
});

test("counts and durations", () => {
  const probe = { probeType: "Liveness", container: "main", pod: "web", namespace: "default", podUID: "u" } as const;
  const text = renderProbeMetrics({
    results: [
      { ...probe, result: "successful", count: 3 },
      { ...probe, result: "failed", count: 1 },
    ],
    durations: [
      {
        ...probe,
        buckets: [
          [0.1, 2],
          [1, 3],
        ],
        count: 4,
        sumSeconds: 5.5,
      },
    ],
  });
  const labels = `container="main",namespace="default",pod="web",pod_uid="u",probe_type="Liveness"`;
  assert.equal(
    text,
    `# HELP prober_probe_total Probes of containers by result
# TYPE prober_probe_total counter
prober_probe_total{${labels},result="successful"} 3
prober_probe_total{${labels},result="failed"} 1
# HELP prober_probe_duration_seconds Seconds that a probe took
# TYPE prober_probe_duration_seconds histogram
prober_probe_duration_seconds_bucket{${labels},le="0.1"} 2
prober_probe_duration_seconds_bucket{${labels},le="1"} 3
prober_probe_duration_seconds_bucket{${labels},le="+Inf"} 4
prober_probe_duration_seconds_sum{${labels}} 5.5
prober_probe_duration_seconds_count{${labels}} 4
`,
  );
});
