// Clusters of a fake ECS, and tags of whatever has an ARN there.
import * as ecs from "@aws-sdk/client-ecs";
import { type Operation, operation } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import type { FakeAccount } from "./fake-ecs-account.ts";

export class FakeEcsClusters {
  readonly #account: FakeAccount;
  readonly #clusters = new Map<string, ecs.Cluster>();
  readonly #exists: (arn: string) => boolean;
  readonly #counts: (clusterArn: string) => { readonly running: number; readonly pending: number };

  constructor(
    account: FakeAccount,
    exists: (arn: string) => boolean,
    counts: (clusterArn: string) => { readonly running: number; readonly pending: number },
  ) {
    this.#account = account;
    this.#exists = exists;
    this.#counts = counts;
  }

  create({
    clusterName = "default",
    tags = [],
    settings = [],
    capacityProviders,
  }: ecs.CreateClusterRequest): ecs.Cluster {
    if (!/^[a-zA-Z0-9_-]{1,255}$/.test(clusterName))
      throw refusal("InvalidParameterException", "Invalid cluster name.");
    const clusterArn = this.#account.arn("ecs", `cluster/${clusterName}`);
    const cluster: ecs.Cluster = this.#clusters.get(clusterArn) ?? {
      ...{ clusterArn, clusterName, status: "ACTIVE", settings, registeredContainerInstancesCount: 0 },
      capacityProviders: capacityProviders ?? ["FARGATE", "FARGATE_SPOT"],
    };
    this.#account.tag(clusterArn, tags);
    this.#clusters.set(clusterArn, cluster);
    return this.#shown(cluster);
  }

  /** ARN of a cluster by its name or ARN. */
  find(text: string = "default"): string {
    const arn = this.#arn(text);
    if (!this.#clusters.has(arn)) throw refusal("ClusterNotFoundException", "Cluster not found.");
    return arn;
  }

  readonly operations: Readonly<Record<string, Operation>> = {
    CreateCluster: operation<ecs.CreateClusterRequest, ecs.CreateClusterResponse>(ecs.CreateCluster$, (input) => ({
      cluster: this.create(input),
    })),
    DescribeClusters: operation<ecs.DescribeClustersRequest, ecs.DescribeClustersResponse>(
      ecs.DescribeClusters$,
      ({ clusters = ["default"], include = [] }) => {
        const found = clusters.map((each) => [this.#arn(each), this.#clusters.get(this.#arn(each))] as const);
        return {
          clusters: found.flatMap(([arn, cluster]) => {
            if (cluster === undefined) return [];
            const tags = include.includes("TAGS") ? { tags: this.#account.tagsOf(arn) } : {};
            const { settings, ...rest } = this.#shown(cluster);
            return [{ ...rest, ...tags, ...(include.includes("SETTINGS") ? { settings } : {}) }];
          }),
          failures: found.flatMap(([arn, cluster]) => (cluster === undefined ? [{ arn, reason: "MISSING" }] : [])),
        };
      },
    ),
    TagResource: operation<ecs.TagResourceRequest, ecs.TagResourceResponse>(
      ecs.TagResource$,
      ({ resourceArn = "", tags = [] }) => {
        this.#known(resourceArn);
        this.#account.tag(resourceArn, tags);
        return {};
      },
    ),
    UntagResource: operation<ecs.UntagResourceRequest, ecs.UntagResourceResponse>(
      ecs.UntagResource$,
      ({ resourceArn = "", tagKeys = [] }) => {
        this.#known(resourceArn);
        this.#account.untag(resourceArn, tagKeys);
        return {};
      },
    ),
    ListTagsForResource: operation<ecs.ListTagsForResourceRequest, ecs.ListTagsForResourceResponse>(
      ecs.ListTagsForResource$,
      ({ resourceArn = "" }) => {
        this.#known(resourceArn);
        return { tags: this.#account.tagsOf(resourceArn) };
      },
    ),
  };

  #known(arn: string): void {
    if (!this.#clusters.has(arn) && !this.#exists(arn))
      throw refusal(
        "InvalidParameterException",
        "The specified resource is not found. Specify a valid resource ARN and try again.",
      );
  }

  #arn(text: string): string {
    return text.startsWith("arn:") ? text : this.#account.arn("ecs", `cluster/${text}`);
  }

  #shown(cluster: ecs.Cluster): ecs.Cluster {
    const { running, pending } = this.#counts(cluster.clusterArn ?? "");
    return { ...cluster, runningTasksCount: running, pendingTasksCount: pending, activeServicesCount: 0 };
  }
}
