// The Go provider's TOML file in our terms. What it fills in by default is filled in here, too. Pure.
import { compareQuantities } from "@virtual-kubelet/virtual-kubelet";
import { checkedConfig, quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";

const atLeast = (least: string): v.GenericSchema<string | number, string> =>
  v.pipe(
    quantity,
    v.check((text) => compareQuantities(text, least) >= 0, `must be at least ${least}`),
  );

const schema = v.pipe(
  v.strictObject({
    Region: v.string("must be a region"),
    ClusterName: v.optional(v.pipe(v.string(), v.regex(/^[^_]*$/, "must hold no underscore"))),
    Subnets: v.pipe(v.array(v.string()), v.minLength(1, "must name a subnet at least")),
    SecurityGroups: v.optional(v.array(v.string()), []),
    AssignPublicIPv4Address: v.optional(v.boolean(), false),
    ExecutionRoleArn: v.optional(v.string(), ""),
    CloudWatchLogGroupName: v.optional(v.string(), ""),
    PlatformVersion: v.optional(v.string(), ""),
    OperatingSystem: v.optional(v.picklist(["", "Linux"], "must be Linux"), "Linux"),
    CPU: v.optional(atLeast("250m"), "20"),
    Memory: v.optional(atLeast("512Mi"), "40Gi"),
    Storage: v.optional(quantity, "40Gi"),
    Pods: v.optional(atLeast("1"), "20"),
  }),
  v.forward(
    v.check(
      ({ CloudWatchLogGroupName, ExecutionRoleArn }) => CloudWatchLogGroupName === "" || ExecutionRoleArn !== "",
      "is required with CloudWatchLogGroupName",
    ),
    ["ExecutionRoleArn"],
  ),
);

/**
 * An object for parseFargateConfig: the cluster is made when it is not there and any task role may be named, as with the Go
 * provider. Throws Invalid, with its names, for all faults at once.
 */
export function fromGoConfig(table: unknown): object {
  const go = checkedConfig("fargate", schema, table);
  return {
    region: go.Region,
    cluster: go.ClusterName === undefined || go.ClusterName === "" ? "default" : go.ClusterName,
    createCluster: true,
    network: {
      subnets: go.Subnets,
      securityGroups: go.SecurityGroups,
      assignPublicIP: go.AssignPublicIPv4Address,
    },
    executionRoleARN: go.ExecutionRoleArn,
    taskRoles: { allowed: ["*"] },
    platform: { version: go.PlatformVersion === "" ? "LATEST" : go.PlatformVersion },
    capacity: { cpu: go.CPU, memory: go.Memory, "ephemeral-storage": go.Storage, pods: go.Pods },
    ...(go.CloudWatchLogGroupName === "" ? {} : { logs: { group: go.CloudWatchLogGroupName } }),
  };
}
