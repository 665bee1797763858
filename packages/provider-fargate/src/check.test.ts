import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CallContext,
  type ErrorKind,
  silentLogger,
  systemClock,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { fargateChecks } from "./check.ts";
import { parseFargateConfig } from "./config.ts";
import { MemoryAws } from "./testing/memory-aws.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const least = { region: "eu-west-1", cluster: "pods", network: { subnets: ["subnet-1"] } };

async function checks(more: object = {}, refused: Readonly<Record<string, ErrorKind>> = {}) {
  const aws = new MemoryAws();
  const api = { ...aws.api };
  const refusing = (name: string) => async () => {
    throw new VirtualKubeletError(refused[name] ?? "Internal", `${name} is refused`);
  };
  if (refused["describeClusters"] !== undefined) api.describeClusters = refusing("describeClusters");
  if (refused["listSecrets"] !== undefined) api.listSecrets = refusing("listSecrets");
  const found = await fargateChecks(api, parseFargateConfig({ ...least, ...more }, {}), systemClock, context);
  return new Map(found.map((check) => [check.name, check]));
}

describe("doctor", () => {
  it("tells what is good, and what pods will lack", async () => {
    const found = await checks();
    assert.equal(found.get("credentials")?.status, "ok");
    assert.match(found.get("cluster")?.message ?? "", /pods is ACTIVE/);
    for (const name of ["figures", "logs", "execution role", "helper image", "exec"])
      assert.equal(found.get(name)?.status, "warn", name);
    assert.match(found.get("figures")?.fix ?? "", /update-cluster-settings .*containerInsights,value=enhanced/);
  });

  it("ends at credentials that are refused, a region that is not reached, a cluster that is not there", async () => {
    assert.deepEqual([...(await checks({}, { describeClusters: "Unauthorized" })).keys()], ["credentials"]);
    assert.deepEqual([...(await checks({}, { describeClusters: "Unavailable" })).keys()], ["region"]);
    const missing = await checks({ cluster: "none" });
    assert.equal(missing.get("cluster")?.status, "fail");
    assert.match(missing.get("cluster")?.fix ?? "", /aws ecs create-cluster --region eu-west-1 --cluster-name none/);
    assert.equal((await checks({ cluster: "none", createCluster: true })).get("cluster")?.status, "ok");
  });

  it("names the right that is missing", async () => {
    const found = await checks({}, { listSecrets: "Forbidden" });
    assert.equal(found.get("right to list secrets")?.fix, "allow secretsmanager:ListSecrets");
  });
});
