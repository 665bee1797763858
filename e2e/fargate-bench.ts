// The Fargate provider's backend on a service that stands in for AWS, as the core drives it.

import type { AwsSdk } from "../packages/provider-fargate/src/aws-sdk.ts";
import { awsSdk } from "../packages/provider-fargate/src/aws-sdk.ts";
import { parseFargateConfig } from "../packages/provider-fargate/src/config.ts";
import { FargateBackend } from "../packages/provider-fargate/src/fargate-backend.ts";
import { podRequest } from "../packages/provider-fargate/src/testing/golden-pods.ts";
import { systemClock } from "../packages/virtual-kubelet/src/clock.ts";
import type { CloudGroup } from "../packages/virtual-kubelet/src/cloud/cloud-backend.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { PodRequest } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { CallContext } from "../packages/virtual-kubelet/src/provider.ts";
import type { RequestedPod } from "../packages/virtual-kubelet/src/testing/resolved-requests.ts";
import { eventually } from "./harness.ts";
import { benchImage } from "./podman.ts";

export const region = "eu-west-1";
export const cluster = "pods";
export const logGroup = "/pods";

export interface FargateNetwork {
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
}

export class FargateBench implements AsyncDisposable {
  readonly aws: AwsSdk;
  readonly backend: FargateBackend;
  readonly context: CallContext;
  readonly #end: AbortController = new AbortController();

  constructor(endpoint: string, network: FargateNetwork = { subnets: ["subnet-1"], securityGroups: ["sg-1"] }) {
    const config = parseFargateConfig(
      {
        ...{ region, cluster, network, helperImage: benchImage, createCluster: true, exec: true },
        executionRoleARN: "arn:aws:iam::123456789012:role/execution",
        taskRoles: { default: "arn:aws:iam::123456789012:role/task" },
        logs: { group: logGroup, createGroup: true },
        endpoints: { ecs: endpoint, logs: endpoint, secretsManager: endpoint, cloudWatch: endpoint, sqs: endpoint },
      },
      {},
    );
    const keys = { accessKeyId: "AKIAFAKE", secretAccessKey: "fake-secret" };
    const [clock, log] = [systemClock, silentLogger];
    this.aws = awsSdk({ config, clock, log, credentials: () => Promise.resolve(keys) });
    this.backend = new FargateBackend({ aws: this.aws, config, cluster: "c1", node: "fargate", clock, log });
    this.context = { signal: this.#end.signal, log };
  }

  request(name: string, spec: RequestedPod["spec"]): PodRequest {
    return podRequest({ name, spec });
  }

  /** As the service says it is, as soon as it is so. */
  async groupIs(id: string, what: string, check: (group: CloudGroup) => boolean): Promise<CloudGroup> {
    return eventually(`the pod ${what}`, 60_000, async () => {
      const [found] = (await this.backend.list(this.context)).filter((group) => group.id === id);
      if (found === undefined) return false;
      const [group] = await this.backend.describe([found], this.context);
      return group !== undefined && check(group) && group;
    });
  }

  async log(group: CloudGroup, container: string): Promise<string> {
    const logs = await this.backend.logs?.({ group, container }, { timestamps: true }, this.context);
    const chunks = logs === undefined ? [] : await Array.fromAsync(logs.data);
    return Buffer.concat(chunks).toString("utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.aws[Symbol.asyncDispose]();
  }
}
