// What doctor says of a subscription.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { quotaCheck, regionCheck, rightsCheck } from "./check.ts";

const groups = "Microsoft.ContainerInstance/containerGroups";

describe("rights", () => {
  it("of an owner", () => assert.equal(rightsCheck([{ actions: ["*"] }]).status, "ok"));

  it("of a role for container groups, less what it is not given", () => {
    const check = rightsCheck([{ actions: [`${groups}/*`], notActions: [`${groups}/containers/exec/action`] }]);
    assert.deepEqual([check.status, check.message], ["warn", `missing: ${groups}/containers/exec/action`]);
  });

  it("of a reader: no pod would run", () => {
    const check = rightsCheck([{ actions: ["*/read"] }]);
    assert.equal(check.status, "fail");
    assert.match(check.message, /containerGroups\/write/);
  });
});

describe("a region", () => {
  const config = { region: "westeurope", network: { publicIP: true, clusterDNS: "" } };
  const all = [
    { osType: "Linux", ipAddressType: "Public", gpu: "None", capabilities: { maxCpu: 4, maxMemoryInGB: 16 } },
    { osType: "Linux", ipAddressType: "Private", gpu: "V100", capabilities: { maxCpu: 32, maxMemoryInGB: 240 } },
  ];

  it("tells what a pod may have at most there", () =>
    assert.match(regionCheck(all, "linux", config).message, /at most 4 cores and 16 GB/));
  it("that has no such groups", () => assert.equal(regionCheck(all, "windows", config).status, "warn"));
  it("that has no such GPUs", () =>
    assert.match(regionCheck(all, "linux", { ...config, gpuSKU: "V100" }).message, /has no V100/));
});

it("quotas, and those that are used up", () => {
  const usage = (currentValue: number) => [{ name: { localizedValue: "Standard Cores" }, currentValue, limit: 10 }];
  assert.deepEqual([quotaCheck(usage(3)).status, quotaCheck(usage(3)).message], ["ok", "Standard Cores: 3 of 10"]);
  assert.deepEqual(
    [quotaCheck(usage(10)).status, quotaCheck(usage(10)).message],
    ["warn", "used up: Standard Cores: 10 of 10"],
  );
});
