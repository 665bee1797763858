// Providers over a fake region of AWS, by the SDK.
import { type Provider, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { awsSdk } from "../aws-sdk.ts";
import { type FargateConfig, parseFargateConfig } from "../config.ts";
import { type FargateTiming, fargateProviderOf } from "../fargate-provider.ts";
import type { FakeEcs } from "./fake-ecs.ts";

export const roles = {
  execute: "arn:aws:iam::123456789012:role/execute",
  pods: "arn:aws:iam::123456789012:role/pods",
} as const;

export function configOn(fake: FakeEcs, more: Readonly<Record<string, unknown>> = {}): FargateConfig {
  const { endpoint } = fake;
  return parseFargateConfig(
    {
      ...{ region: fake.account.region, network: { subnets: ["subnet-1"] }, helperImage: "helper:1" },
      ...{ executionRoleARN: roles.execute, taskRoles: { default: roles.pods }, logs: { group: "/pods" } },
      endpoints: { ecs: endpoint, logs: endpoint, secretsManager: endpoint, cloudWatch: endpoint, sqs: endpoint },
      ...more,
    },
    {},
  );
}

export function providerOn(
  fake: FakeEcs,
  { node, cluster }: { readonly node: string; readonly cluster: string },
  config: FargateConfig = configOn(fake),
  timing: FargateTiming = {},
): Provider {
  const credentials = async () => fake.clientConfig.credentials;
  const aws = awsSdk({ config, clock: systemClock, log: silentLogger, credentials });
  const pace = { fastMs: 20, slowMs: 100, steadyMs: 100, pushedMs: 200 };
  return fargateProviderOf({ node, cluster, log: silentLogger }, config, aws, { pace, consistencyMs: 1000, ...timing });
}
