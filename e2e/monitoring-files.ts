// Alerts and dashboard of deploy/monitoring, read and checked for their form.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";

export const root: string = join(import.meta.dirname, "..");
export const folder: string = join(root, "deploy/monitoring");

const alertRule = v.object({
  alert: v.string(),
  expr: v.string(),
  for: v.optional(v.string()),
  labels: v.object({ severity: v.picklist(["critical", "warning", "info"]) }),
  annotations: v.strictObject({ summary: v.string(), description: v.string(), runbook_url: v.string() }),
});
const ruleFile = v.object({ groups: v.array(v.object({ name: v.string(), rules: v.array(alertRule) })) });
const ruleTests = v.object({
  tests: v.array(
    v.object({
      name: v.string(),
      input_series: v.array(v.object({ series: v.string() })),
      promql_expr_test: v.array(v.object({ exp_samples: v.array(v.object({ labels: v.string() })) })),
    }),
  ),
});
const source = v.object({ type: v.literal("prometheus"), uid: v.literal(`\${datasource}`) });
const panel = v.variant("type", [
  v.object({ type: v.literal("row"), id: v.number(), title: v.string() }),
  v.object({
    type: v.picklist(["timeseries", "stat", "table"]),
    id: v.number(),
    title: v.string(),
    datasource: source,
    gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
    fieldConfig: v.object({ defaults: v.object({ unit: v.string() }) }),
    targets: v.array(v.object({ refId: v.string(), datasource: source, expr: v.string(), legendFormat: v.string() })),
  }),
]);
const dashboardFile = v.object({
  uid: v.string(),
  title: v.string(),
  templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string(), query: v.unknown() })) }),
  panels: v.array(panel),
});

export const alerts: readonly v.InferOutput<typeof alertRule>[] = v
  .parse(ruleFile, parse(await readFile(join(folder, "alerts.yaml"), "utf8")))
  .groups.flatMap(({ rules }) => rules);
export const dashboard: v.InferOutput<typeof dashboardFile> = v.parse(
  dashboardFile,
  JSON.parse(await readFile(join(folder, "dashboard.json"), "utf8")),
);
export const charts: readonly Extract<v.InferOutput<typeof panel>, { readonly targets: unknown }>[] =
  dashboard.panels.flatMap((each) => (each.type === "row" ? [] : [each]));

/** Selectors of series in an expression: `name`, or `name{...}`. */
export const selectorsOf = (expression: string): readonly string[] => [
  ...(expression.match(/\b(?:virtual_kubelet_\w+|process_\w+|nodejs_\w+|up)\b(?:\{[^}]*\})?/g) ?? []),
];

/** The cases of alerts.test.yaml: series, and what fires. */
export async function alertTests(): Promise<v.InferOutput<typeof ruleTests>["tests"]> {
  return v.parse(ruleTests, parse(await readFile(join(folder, "alerts.test.yaml"), "utf8"))).tests;
}
