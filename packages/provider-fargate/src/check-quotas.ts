// How much of Fargate the account may use at once, beside what the node says that it has. CloudWatch tells both: the use as a metric,
// the quota as a function of it.
import {
  type CallContext,
  type Clock,
  errorText,
  isErrorKind,
  milliUnits,
  type ProviderCheck,
  parseQuantity,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";

/** A use that was as long ago is not told any more. */
const lookBackMs = 3 * 3_600_000;

export async function quotaChecks(
  aws: Pick<AwsApi, "getMetricData">,
  config: FargateConfig,
  clock: Clock,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const names = config.capacityProviders.map(({ name }) => name);
  const kinds = [
    ...(names.length === 0 || names.includes("FARGATE") ? ["OnDemand"] : []),
    ...(names.includes("FARGATE_SPOT") ? ["Spot"] : []),
  ];
  const dimensions = { Service: "Fargate", Type: "Resource", Resource: "vCPU" };
  const queries = kinds.flatMap((kind, index) => {
    const all = Object.entries({ ...dimensions, Class: `Standard/${kind}` }).map(([Name, Value]) => ({ Name, Value }));
    const Metric = { Namespace: "AWS/Usage", MetricName: "ResourceCount", Dimensions: all };
    return [
      { Id: `used${index}`, MetricStat: { Metric, Period: 300, Stat: "Maximum" } },
      { Id: `quota${index}`, Expression: `SERVICE_QUOTA(used${index})` },
    ];
  });
  const now = clock.now();
  const [StartTime, EndTime] = [new Date(now - lookBackMs), new Date(now)];
  const look = `aws service-quotas list-service-quotas --region ${config.region} --service-code fargate`;
  const nameOf = (kind: string): string => (kind === "Spot" ? "quota of spot" : "quota");
  try {
    const { MetricDataResults = [] } = await aws.getMetricData(
      { StartTime, EndTime, MetricDataQueries: queries },
      context,
    );
    // The newest comes first.
    const newest = (id: string): number | undefined => MetricDataResults.find(({ Id }) => Id === id)?.Values?.[0];
    return kinds.map((kind, index): ProviderCheck => {
      const [used, quota] = [newest(`used${index}`), newest(`quota${index}`)];
      const name = nameOf(kind);
      if (quota === undefined)
        return { name, status: "warn", message: "not known: no task ran lately in the account", fix: `look: ${look}` };
      const message = `${used ?? 0} of ${quota} vCPUs of the account are in use`;
      const wanted = Number(milliUnits(parseQuantity(config.capacity.cpu))) / 1000;
      // With both kinds a pod that finds no room in one may in the other.
      if (wanted <= quota || kinds.length > 1) return { name, status: "ok", message };
      const fix = `ask AWS for more (${look}), or lower capacity.cpu`;
      return { name, status: "warn", message: `${message}; the node says that it has ${wanted}`, fix };
    });
  } catch (error) {
    const fix = isErrorKind(error, "Forbidden") ? "allow cloudwatch:GetMetricData" : "try again";
    return kinds.map((kind) => ({ name: nameOf(kind), status: "warn", message: errorText(error), fix }));
  }
}
