// What the Fargate provider needs of the account, looked at before it is started: for `virtual-kubelet doctor`. Nothing is made.
import {
  type CallContext,
  type Clock,
  errorText,
  isErrorKind,
  type ProviderCheck,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { quotaChecks } from "./check-quotas.ts";
import { type AskedForRights, rightsCheck } from "./check-rights.ts";
import type { FargateConfig } from "./config.ts";

type Asked = AskedForRights &
  Pick<
    AwsApi,
    | "describeClusters"
    | "listTasks"
    | "describeLogGroups"
    | "listSecrets"
    | "listTaskDefinitionFamilies"
    | "getMetricData"
  >;

export async function fargateChecks(
  aws: Asked,
  config: FargateConfig,
  clock: Clock,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const { checks, clusterARN } = await clusterCheck(aws, config, context);
  if (checks.some(({ status }) => status === "fail")) return checks;
  return [
    ...checks,
    ...(clusterARN === undefined ? [] : [await rightsCheck(aws, config, clusterARN, context)]),
    ...(await quotaChecks(aws, config, clock, context)),
    await rightCheck("right to list tasks", "ecs:ListTasks", async () => {
      const { taskArns = [], nextToken } = await aws.listTasks({ cluster: config.cluster, maxResults: 100 }, context);
      return `${taskArns.length}${nextToken === undefined ? "" : " or more"} tasks run in ${config.cluster}`;
    }),
    await rightCheck("right to list task definitions", "ecs:ListTaskDefinitionFamilies", async () => {
      await aws.listTaskDefinitionFamilies({ familyPrefix: "vk-", maxResults: 1 }, context);
      return "task definitions can be listed";
    }),
    await rightCheck("right to list secrets", "secretsmanager:ListSecrets", async () => {
      const prefix = `${config.secrets.prefix}/`;
      await aws.listSecrets({ Filters: [{ Key: "name", Values: [prefix] }], MaxResults: 1 }, context);
      return `secrets under ${prefix} can be listed`;
    }),
    await logsCheck(aws, config, context),
    ...settingsChecks(config),
  ];
}

async function clusterCheck(
  aws: Asked,
  { cluster, createCluster, region }: FargateConfig,
  context: CallContext,
): Promise<{ readonly checks: readonly ProviderCheck[]; readonly clusterARN?: string | undefined }> {
  let status: string;
  let setting: string;
  let running: number;
  let clusterARN: string | undefined;
  try {
    const { clusters = [] } = await aws.describeClusters({ clusters: [cluster], include: ["SETTINGS"] }, context);
    status = clusters[0]?.status ?? "missing";
    setting = clusters[0]?.settings?.find(({ name }) => name === "containerInsights")?.value ?? "disabled";
    running = clusters[0]?.runningTasksCount ?? 0;
    clusterARN = clusters[0]?.clusterArn;
  } catch (error) {
    return { checks: [credentialsFault(error, region)] };
  }
  const credentials: ProviderCheck = { name: "credentials", status: "ok", message: `ECS in ${region} takes them` };
  if (status !== "ACTIVE") {
    const fix = `aws ecs create-cluster --region ${region} --cluster-name ${cluster}, or createCluster: true`;
    const message = `${cluster} is ${status}`;
    const made: ProviderCheck = createCluster
      ? { name: "cluster", status: "ok", message: `${message}: it will be made` }
      : { name: "cluster", status: "fail", message, fix };
    return { checks: [credentials, made] };
  }
  const found: ProviderCheck = {
    ...{ name: "cluster", status: "ok", message: `${cluster} is ACTIVE, ${running} tasks run in it` },
  };
  const figures: ProviderCheck =
    setting === "enhanced"
      ? { name: "figures", status: "ok", message: "Container Insights with enhanced observability" }
      : {
          ...{ name: "figures", status: "warn", message: `Container Insights is ${setting}: no figures of pods` },
          fix: `aws ecs update-cluster-settings --region ${region} --cluster ${cluster} --settings name=containerInsights,value=enhanced`,
        };
  return { checks: [credentials, found, figures], clusterARN };
}

function credentialsFault(error: unknown, region: string): ProviderCheck {
  const message = errorText(error);
  if (isErrorKind(error, "Unauthorized"))
    return {
      name: "credentials",
      status: "fail",
      message,
      fix: "see where they come from (credentials in the provider's configuration), and renew them",
    };
  if (isErrorKind(error, "Forbidden"))
    return {
      name: "credentials",
      status: "fail",
      message,
      fix: "allow ecs:DescribeClusters: docs/fargate.md has the policy",
    };
  return {
    name: "region",
    status: "fail",
    message,
    fix: `see whether ECS is there in ${region} and can be reached from here`,
  };
}

async function rightCheck(name: string, action: string, ask: () => Promise<string>): Promise<ProviderCheck> {
  try {
    return { name, status: "ok", message: await ask() };
  } catch (error) {
    const fix = isErrorKind(error, "Forbidden") ? `allow ${action}` : "try again";
    return { name, status: "fail", message: errorText(error), fix };
  }
}

async function logsCheck(aws: Asked, { logs, region }: FargateConfig, context: CallContext): Promise<ProviderCheck> {
  const name = "logs";
  if (logs === undefined)
    return {
      name,
      status: "warn",
      message: "no log group is configured: kubectl logs will not work",
      fix: "set logs.group",
    };
  try {
    const { logGroups = [] } = await aws.describeLogGroups({ logGroupNamePrefix: logs.group, limit: 50 }, context);
    if (logGroups.some(({ logGroupName }) => logGroupName === logs.group))
      return { name, status: "ok", message: `${logs.group} is there` };
    if (logs.createGroup) return { name, status: "ok", message: `${logs.group} will be made` };
    const fix = `aws logs create-log-group --region ${region} --log-group-name ${logs.group}, or logs.createGroup: true`;
    return { name, status: "fail", message: `there is no log group ${logs.group}: no task would start`, fix };
  } catch (error) {
    return {
      name,
      status: "warn",
      message: errorText(error),
      fix: "allow logs:DescribeLogGroups and logs:GetLogEvents",
    };
  }
}

function settingsChecks({ exec, executionRoleARN, helperImage }: FargateConfig): readonly ProviderCheck[] {
  const checks: ProviderCheck[] = [];
  if (executionRoleARN === "")
    checks.push({
      ...{
        name: "execution role",
        status: "warn",
        message: "none: pods with secrets, pull secrets or images of ECR are refused or do not start",
      },
      fix: "set executionRoleARN",
    });
  if (helperImage === "")
    checks.push({
      ...{
        name: "helper image",
        status: "warn",
        message: "none: pods have no files of ConfigMaps, Secrets and tokens",
      },
      fix: "set helperImage to an image with /bin/sh, base64 and tar that Fargate can pull",
    });
  if (!exec)
    checks.push({
      ...{ name: "exec", status: "warn", message: "off: no kubectl exec, and no probes and hooks by command" },
      fix: "set taskRoles.default to a role that may use ssmmessages",
    });
  return checks;
}
