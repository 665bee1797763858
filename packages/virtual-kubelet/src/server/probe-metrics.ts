// Renders /metrics/probes: what the probes of containers have counted. Pure.
import type { ProbeLabels, ProbeMetrics } from "../provider/node.ts";
import { labelText, MetricFamily } from "./prometheus-text.ts";

/** Without probes an empty text, which is a valid one. */
export function renderProbeMetrics(metrics: ProbeMetrics | undefined): string {
  const total = new MetricFamily("prober_probe_total", "counter", "Probes of containers by result");
  for (const { result, count, ...probe } of metrics?.results ?? []) total.add(labelsOf(probe, { result }), count);
  const duration = new MetricFamily("prober_probe_duration_seconds", "histogram", "Seconds that a probe took");
  for (const { buckets, count, sumSeconds, ...probe } of metrics?.durations ?? []) {
    const labels = labelsOf(probe, {});
    for (const [bound, within] of buckets) duration.addTo("_bucket", `${labels},le="${bound}"`, within);
    duration.addTo("_bucket", `${labels},le="+Inf"`, count);
    duration.addTo("_sum", labels, sumSeconds).addTo("_count", labels, count);
  }
  return `${total}${duration}`;
}

function labelsOf(probe: ProbeLabels, more: Readonly<Record<string, string>>): string {
  const { container, namespace, pod, podUID, probeType } = probe;
  return labelText({ container, namespace, pod, pod_uid: podUID, probe_type: probeType, ...more });
}
