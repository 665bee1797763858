// Which resources a cluster serves: those of every API server, and those that are there for who asks.
import { apiData, metricsGroup, type Resource } from "./api-data.ts";

export interface ServedOptions {
  /** Kinds that no API server serves unasked: `group/version/resource`, or `group/version` for all of them. Default: none. */
  readonly runtimeConfig?: readonly string[] | undefined;
  /** Serve metrics.k8s.io from what kubelets say; default true. False leaves it to a metrics-server. */
  readonly resourceMetrics?: boolean | undefined;
}

/** Throws for what names nothing. */
export function servedResources({ runtimeConfig = [], resourceMetrics = true }: ServedOptions): readonly Resource[] {
  const { resources, gatedResources } = apiData();
  const namesOf = (each: Resource): readonly string[] => [each.apiVersion, `${each.apiVersion}/${each.name}`];
  const known = new Set(gatedResources.flatMap(namesOf));
  const fault = runtimeConfig.find((name) => !known.has(name));
  if (fault !== undefined)
    throw new TypeError(`runtimeConfig: ${JSON.stringify(fault)} is none of ${[...known].sort().join(", ")}`);
  const asked = gatedResources.filter((each) => namesOf(each).some((name) => runtimeConfig.includes(name)));
  return [...resources.filter(({ group }) => resourceMetrics || group !== metricsGroup), ...asked];
}
