import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { parseFargateConfig, readFargateConfig } from "./config.ts";

const least = { region: "eu-west-1", network: { subnets: ["subnet-1"] } };
const role = "arn:aws:iam::123456789012:role/execute";

function faultOf(value: unknown, env: Readonly<Record<string, string>> = {}): string {
  try {
    parseFargateConfig(value, env);
  } catch (error) {
    assert.ok(error instanceof VirtualKubeletError);
    assert.equal(error.kind, "Invalid");
    return error.message;
  }
  assert.fail("it was taken");
}

describe("configuration", () => {
  it("needs a region and a subnet", () => {
    const config = parseFargateConfig(least, {});
    assert.equal(config.cluster, "default");
    assert.deepEqual(config.platform, { operatingSystem: "LINUX", architecture: "X86_64", version: "LATEST" });
    assert.deepEqual(config.capacity, { cpu: "20", memory: "40Gi", "ephemeral-storage": "40Gi", pods: "20" });
    assert.equal(config.exec, false);
    assert.deepEqual(config.credentials, { type: "default" });
  });

  it("has the region from the environment, where it says none itself", () => {
    const { network } = least;
    assert.equal(parseFargateConfig({ network }, { AWS_REGION: "us-west-2" }).region, "us-west-2");
    assert.equal(parseFargateConfig({ network }, { AWS_DEFAULT_REGION: "us-east-2" }).region, "us-east-2");
    assert.equal(parseFargateConfig(least, { AWS_REGION: "us-west-2" }).region, "eu-west-1");
    assert.match(faultOf({ network }), /region: is required/);
  });

  it("takes regions that did not exist when this was written", () => {
    assert.equal(parseFargateConfig({ ...least, region: "eusc-de-east-1" }, {}).region, "eusc-de-east-1");
  });

  it("tells of all faults at once", () => {
    const message = faultOf({
      region: "Europe",
      cluster: "a b",
      network: { subnets: ["net-1"], securityGroups: ["x"] },
      executionRoleARN: "me",
      platform: { architecture: "RISCV" },
      tags: { "aws:x": "1" },
      unheardOf: 1,
    });
    for (const part of [
      "region",
      "cluster",
      "network.subnets[0]",
      "network.securityGroups[0]",
      "executionRoleARN",
      "platform.architecture",
      "tags",
      "unheardOf: unknown setting",
    ])
      assert.ok(message.includes(part), `${part} in ${message}`);
  });

  it("needs an execution role for logs, and a task role for exec", () => {
    assert.match(faultOf({ ...least, logs: { group: "/pods" } }), /executionRoleARN: is required with logs/);
    assert.match(faultOf({ ...least, exec: true }), /taskRoles: exec needs a task role/);
    assert.equal(parseFargateConfig({ ...least, taskRoles: { default: role } }, {}).exec, true);
    assert.equal(parseFargateConfig({ ...least, taskRoles: { default: role }, exec: false }, {}).exec, false);
  });

  it("knows the kinds of credentials, and takes no secret", () => {
    const given = (credentials: unknown) => parseFargateConfig({ ...least, credentials }, {}).credentials;
    assert.deepEqual(given({ type: "webIdentity", tokenFile: "/token" }), { type: "webIdentity", tokenFile: "/token" });
    assert.match(
      faultOf({ ...least, credentials: { type: "environment", secretAccessKey: "x" } }),
      /secretAccessKey: unknown setting/,
    );
    assert.match(faultOf({ ...least, credentials: { type: "key" } }), /credentials.*must be one of default, profile/);
  });
});

describe("the Go provider's file", () => {
  const file = async (name: string, text: string): Promise<{ path: string } & AsyncDisposable> => {
    const directory = await mkdtemp(join(tmpdir(), "fargate-config-"));
    const path = join(directory, name);
    await writeFile(path, text);
    return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
  };

  it("is read as it is", async () => {
    await using given = await file(
      "fargate.toml",
      `Region = "us-east-1"
ClusterName = "team"
Subnets = ["subnet-12345678"]
SecurityGroups = ["sg-1"]
AssignPublicIPv4Address = true
ExecutionRoleArn = "${role}"
CloudWatchLogGroupName = "/ecs/pods"
PlatformVersion = "LATEST"
OperatingSystem = "Linux"
CPU = "30"
Memory = "60Gi"
Pods = "50"
`,
    );
    const config = await readFargateConfig({ path: given.path }, {});
    assert.equal(config.region, "us-east-1");
    assert.equal(config.cluster, "team");
    assert.equal(config.createCluster, true);
    assert.deepEqual(config.network, { subnets: ["subnet-12345678"], securityGroups: ["sg-1"], assignPublicIP: true });
    assert.deepEqual(config.logs, { group: "/ecs/pods", createGroup: false });
    assert.deepEqual(config.taskRoles, { default: "", allowed: ["*"] });
    assert.deepEqual(config.capacity, { cpu: "30", memory: "60Gi", "ephemeral-storage": "40Gi", pods: "50" });
  });

  it("has its faults told by its own names, all at once", async () => {
    await using given = await file("fargate.toml", 'ClusterName = "a_b"\nCPU = "100m"\nSubnets = []\nRegions = "x"\n');
    await assert.rejects(readFargateConfig({ path: given.path }, {}), (error) => {
      assert.ok(error instanceof VirtualKubeletError);
      for (const part of [
        "Region: is required",
        "ClusterName: must hold no underscore",
        "CPU: must be at least 250m",
        "Subnets: must name",
        "Regions: unknown setting",
      ])
        assert.ok(error.message.includes(part), `${part} in ${error.message}`);
      return true;
    });
  });

  it("that is none says so", async () => {
    await using given = await file("fargate.toml", "Region = \n");
    await assert.rejects(readFargateConfig({ path: given.path }, {}), /cannot read .*fargate\.toml/);
  });

  it("of YAML is ours", async () => {
    await using given = await file("fargate.yaml", "region: eu-west-1\nnetwork:\n  subnets: [subnet-1]\n");
    assert.equal((await readFargateConfig({ path: given.path }, {})).region, "eu-west-1");
  });
});
