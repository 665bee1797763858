// What must be in the account before the first task, and stay there: the cluster and the log group, made where the configuration says so.
import { type CallContext, isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";
import { tagList } from "./task-parts.ts";

export class AccountSetup {
  readonly #aws: Pick<AwsApi, "describeClusters" | "createCluster" | "createLogGroup" | "isAnswered">;
  readonly #config: FargateConfig;
  #ready: Promise<void> | undefined;

  constructor(
    aws: Pick<AwsApi, "describeClusters" | "createCluster" | "createLogGroup" | "isAnswered">,
    config: FargateConfig,
  ) {
    this.#aws = aws;
    this.#config = config;
  }

  /** Done once; tried again after an error. */
  async ready(context: CallContext): Promise<void> {
    this.#ready ??= this.#make(context);
    const work = this.#ready;
    try {
      await work;
    } catch (error) {
      if (this.#ready === work) this.#ready = undefined;
      throw error;
    }
  }

  /** Throws Unavailable where there is no cluster, nor will be. */
  async ping(context: CallContext): Promise<void> {
    const { cluster, createCluster } = this.#config;
    // Throttled a moment ago: it is there, and must not be asked more.
    if (this.#aws.isAnswered("DescribeClusters", 0)) return;
    const { clusters = [] } = await this.#aws.describeClusters({ clusters: [cluster] }, context);
    const status = clusters[0]?.status ?? "missing";
    if (status !== "ACTIVE" && !createCluster)
      throw new VirtualKubeletError("Unavailable", `the ECS cluster ${cluster} is ${status}`);
  }

  async #make(context: CallContext): Promise<void> {
    const { cluster, createCluster, logs, tags } = this.#config;
    if (createCluster) {
      const { clusters = [] } = await this.#aws.describeClusters({ clusters: [cluster] }, context);
      if (clusters[0]?.status !== "ACTIVE")
        await this.#aws.createCluster(
          { clusterName: cluster, capacityProviders: ["FARGATE", "FARGATE_SPOT"], tags: tagList(tags) },
          context,
        );
    }
    if (logs?.createGroup !== true) return;
    try {
      await this.#aws.createLogGroup({ logGroupName: logs.group, tags }, context);
    } catch (error) {
      if (!isErrorKind(error, "Conflict")) throw error;
    }
  }
}
