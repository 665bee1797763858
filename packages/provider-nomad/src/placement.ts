// Why Nomad has no place for a job, in its own reasons. Pure.
import type { NomadEvaluation, NomadPlacementMetric } from "./wire.ts";

export interface Unplaced {
  readonly evaluation: string;
  readonly message: string;
}

/** Undefined: nothing says that there is none. */
export function unplaced(evaluations: readonly NomadEvaluation[]): Unplaced | undefined {
  const latest = [...evaluations]
    .sort((one, other) => other.CreateIndex - one.CreateIndex)
    .find(({ FailedTGAllocs, Status }) => Status === "failed" || Object.keys(FailedTGAllocs ?? {}).length > 0);
  if (latest === undefined) return undefined;
  const metric = Object.values(latest.FailedTGAllocs ?? {})[0];
  const message =
    metric === undefined ? latest.StatusDescription || "Nomad could not evaluate the job" : placementText(metric);
  return { evaluation: latest.ID, message };
}

export function placementText(metric: NomadPlacementMetric): string {
  const counts = (what: string, map: Readonly<Record<string, number>> = {}): readonly string[] =>
    Object.entries(map).map(([name, count]) => `${what} ${name} on ${count}`);
  const parts = [
    ...counts("constraint", metric.ConstraintFiltered),
    ...counts("class", metric.ClassFiltered),
    ...counts("exhausted:", metric.DimensionExhausted),
    ...(metric.QuotaExhausted ?? []).map((name) => `quota ${name}`),
  ];
  const evaluated = `${metric.NodesEvaluated} nodes of Nomad were looked at`;
  return `Nomad has no place for it: ${[evaluated, ...parts].join("; ")}`;
}
