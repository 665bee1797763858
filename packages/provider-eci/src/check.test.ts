// What doctor says of an account, over the fake of the cloud.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CallContext, type ProviderCheck, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { eciChecks } from "./check.ts";
import { parseEciConfig } from "./config-schema.ts";
import { clientOf } from "./testing/eci-bench.ts";
import { FakeEci } from "./testing/fake-eci.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
let fake: FakeEci;
before(async () => {
  fake = await FakeEci.start({ runner: new MemoryGroups(), quota: { groups: 100, cores: 100 } });
});
after(() => fake[Symbol.asyncDispose]());

function checks(settings: object = {}): Promise<readonly ProviderCheck[]> {
  const network = { vSwitches: ["vsw-1"], securityGroup: "sg-1" };
  const config = parseEciConfig({ region: fake.region, network, helperImage: "helper", ...settings });
  return eciChecks(clientOf(fake), config, context);
}

function said(found: readonly ProviderCheck[]): readonly string[] {
  return found.map(({ name, status, message }) => `${name}: ${status}: ${message}`);
}

describe("doctor", () => {
  it("finds all in order, and makes nothing", async () => {
    assert.deepEqual(said(await checks()), [
      "credentials: ok: ECI in cn-hangzhou takes them",
      "quota: ok: 0 of 100 cores in cn-hangzhou are used",
      "creation: ok: a group could be made in vsw-1",
      "logs: ok: logs can be read",
    ]);
    assert.deepEqual(fake.groups.created, []);
    assert.deepEqual(fake.problems, []);
  });

  it("tells keys that are refused, and nothing more", async () => {
    const right = fake.keys.splice(0, 1, { accessKeyId: "LTAIother", accessKeySecret: "other" });
    try {
      const network = { vSwitches: ["vsw-1"], securityGroup: "sg-1" };
      const keys = {
        keys: async () => ({ accessKeyId: "LTAIwrong", accessKeySecret: "hidden-secret" }),
        refused: () => {},
      };
      const found = await eciChecks(
        clientOf(fake, { keys }),
        parseEciConfig({ region: fake.region, network }),
        context,
      );
      assert.deepEqual(
        found.map(({ name, status }) => [name, status]),
        [["credentials", "fail"]],
      );
      assert.ok(!JSON.stringify(found).includes("hidden-secret"));
    } finally {
      fake.keys.splice(0, 1, ...right);
    }
  });

  it("tells rights that are missing, with what to allow", async () => {
    for (const action of ["ListUsage", "CreateContainerGroup", "DescribeContainerLog"]) fake.faults.denied.add(action);
    try {
      const fixes = (await checks()).filter(({ status }) => status !== "ok").map(({ fix }) => fix);
      assert.equal(fixes.length, 3);
      for (const action of ["ListUsage", "CreateContainerGroup", "DescribeContainerLog"])
        assert.ok(
          fixes.some((fix) => fix?.includes(`eci:${action}`)),
          action,
        );
    } finally {
      fake.faults.denied.clear();
    }
  });

  it("tells what the cloud would say of a creation", async () => {
    fake.faults.add({ action: "CreateContainerGroup", answer: { status: 404, code: "InvalidVSwitchId.NotFound" } });
    const [, , creation] = await checks();
    assert.equal(creation?.status, "fail");
    assert.match(creation?.message ?? "", /InvalidVSwitchId\.NotFound/);
  });

  it("tells a region that is not reached", async () => {
    fake.faults.down = true;
    try {
      assert.deepEqual(
        (await checks()).map(({ name, status }) => [name, status]),
        [["region", "fail"]],
      );
    } finally {
      fake.faults.down = false;
    }
  });

  it("tells what goes without a helper image", async () => {
    const last = (await checks({ helperImage: "" })).at(-1);
    assert.deepEqual([last?.name, last?.status], ["helper image", "warn"]);
  });
});
