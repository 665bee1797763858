// Where settings come from, which of them counts, and what is told of faults.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { errorText, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { endpointOf } from "./config.ts";
import type { Environment } from "./go-config.ts";
import { type ConfigSource, readEciConfig } from "./read-config.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-eci-config-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

const go: Environment = {
  ...{ ECI_REGION: "cn-beijing", ECI_VSWITCH: "vsw-env", ECI_SECURITY_GROUP: "sg-env", ECI_CLUSTER_NAME: "env" },
  ...{ ECI_QUOTA_CPU: "10", ECI_QUOTA_MEMORY: "20Gi", ECI_QUOTA_POD: "30" },
};
const toml =
  'Region = "cn-shanghai"\nOperatingSystem = "Linux"\nCPU = "50"\nMemory = "100Gi"\nPods = "40"\nVSwitch = "vsw-file"\nSecureGroup = "sg-file"\nClusterName = "file"\n';

async function faultOf(source: Partial<ConfigSource>): Promise<string> {
  try {
    await readEciConfig({ env: {}, ...source });
  } catch (error) {
    assert.ok(isErrorKind(error, "Invalid"), errorText(error));
    return errorText(error);
  }
  return assert.fail("it is taken");
}

describe("the Go provider's", () => {
  it("variables are enough", async () => {
    const { region, network, capacity, tags, unenforcedSecurity } = await readEciConfig({ env: go });
    assert.equal(region, "cn-beijing");
    assert.deepEqual(network, {
      ...{ vSwitches: ["vsw-env"], securityGroup: "sg-env", scheduleStrategy: "VSwitchOrdered" },
    });
    assert.deepEqual(capacity, { cpu: "10", memory: "20Gi", pods: "30" });
    assert.deepEqual(tags, { ClusterName: "env" });
    assert.equal(unenforcedSecurity, "warn", "it passes over what it cannot do");
  });

  it("file is enough, its capacity counts, and variables go before it", async () => {
    const path = await file("eci.toml", toml);
    const alone = await readEciConfig({ path, env: {} });
    assert.equal(alone.region, "cn-shanghai");
    assert.deepEqual(alone.capacity, { cpu: "50", memory: "100Gi", pods: "40" });
    const { region, network, capacity } = await readEciConfig({
      path,
      env: { ECI_VSWITCH: "vsw-env", ECI_QUOTA_POD: "7" },
    });
    assert.deepEqual([region, network.vSwitches, capacity["pods"]], ["cn-shanghai", ["vsw-env"], "7"]);
  });

  it("file may leave out what it fills in by itself", async () => {
    const path = await file("small.toml", 'VSwitch = "vsw-file"\nSecureGroup = "sg-file"\n');
    const { region, capacity } = await readEciConfig({ path, env: {} });
    assert.deepEqual([region, capacity], ["cn-hangzhou", { cpu: "1000", memory: "4Ti", pods: "1000" }]);
  });

  it("faults are told by its own names, all at once", async () => {
    const path = await file("wrong.toml", 'OperatingSystem = "Windows"\nCPU = "many"\nOther = 1\n');
    const fault = await faultOf({ path });
    for (const part of [/OperatingSystem: must be Linux/, /CPU: /, /Other: unknown setting/]) assert.match(fault, part);
  });
});

describe("a configuration of its own", () => {
  const object = { region: "eu-central-1", network: { vSwitches: ["vsw-own"], securityGroup: "sg-own" } };

  it("goes before variables, which fill what it leaves out", async () => {
    const { region, network, capacity, unenforcedSecurity } = await readEciConfig({ object, env: go });
    assert.deepEqual([region, network.vSwitches, capacity["cpu"]], ["eu-central-1", ["vsw-own"], "10"]);
    assert.equal(unenforcedSecurity, "refuse");
  });

  it("may be a file", async () => {
    const path = await file("own.yaml", `${JSON.stringify(object)}\n`);
    assert.equal((await readEciConfig({ path, env: {} })).region, "eu-central-1");
  });

  it("has the region's endpoint where it names none", async () => {
    const config = await readEciConfig({ object, env: {} });
    assert.equal(endpointOf(config), "https://eci.eu-central-1.aliyuncs.com");
    assert.equal(endpointOf({ ...config, endpoint: "https://eci-vpc.test/" }), "https://eci-vpc.test");
  });

  it("without anything tells what is missing, and how else it can be said", async () => {
    const fault = await faultOf({ object: {} });
    assert.match(fault, /region: is required, here or by ECI_REGION/);
    assert.match(fault, /network: is required/);
  });

  const faults: readonly (readonly [object, RegExp])[] = [
    [{ region: "Hangzhou!" }, /region: must be a region like cn-hangzhou/],
    [{ network: { vSwitches: [], securityGroup: "sg-1" } }, /network\.vSwitches: must name a vSwitch at least/],
    [
      { network: { vSwitches: ["subnet-1"], securityGroup: "1" } },
      /network\.vSwitches\[0\]: must be the ID of a vSwitch.*network\.securityGroup: must be the ID/,
    ],
    [{ endpoint: "http://eci.test" }, /endpoint: must be a URL like https:\/\/host/],
    [{ spot: { strategy: "SpotWithPriceLimit" } }, /spot\.priceLimit: is required with SpotWithPriceLimit/],
    [{ credentials: { type: "password" } }, /credentials\.type: must be one of default, accessKey/],
    [{ credentials: { type: "assumeRole", roleARN: "role" } }, /credentials\.roleARN: must be the ARN of a role/],
    [{ instanceTypes: ["large"] }, /instanceTypes\[0\]: must be cores and memory like 2-4Gi/],
    [{ tags: { "virtual-kubelet.io/node": "x" } }, /tags\[.*\]: must be a tag's key/],
    [{ other: 1 }, /other: unknown setting/],
  ];
  for (const [part, wanted] of faults)
    it(`tells what is wrong with ${JSON.stringify(part)}`, async () => {
      assert.match(await faultOf({ object: { ...object, ...part } }), wanted);
    });
});
