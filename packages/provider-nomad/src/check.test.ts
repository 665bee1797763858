// What doctor says of a Nomad, over the fake.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { nomadChecks } from "./check.ts";
import { parseNomadConfig } from "./config.ts";
import { clientOf } from "./nomad-provider.ts";
import { FakeNomad } from "./testing/fake-nomad/fake-nomad.ts";

const nomad = await FakeNomad.start({ tokens: new Map([["whole", "management"]]) });
after(() => nomad[Symbol.asyncDispose]());
const context = { signal: new AbortController().signal, log: silentLogger };

async function found(settings: object = {}): Promise<readonly (readonly string[])[]> {
  const config = parseNomadConfig({ address: nomad.address, token: "whole", ...settings }, {});
  await using client = clientOf(config);
  const checks = await nomadChecks(client, config, context);
  return checks.map(({ name, status }) => [name, status]);
}

describe("doctor", () => {
  it("finds nothing wrong with a whole Nomad", async () => {
    assert.deepEqual(await found(), [
      ["address", "ok"],
      ["leader", "ok"],
      ["right to list jobs", "ok"],
      ["right to list variables", "ok"],
      ["clients", "ok"],
      ["memory beyond requests", "ok"],
    ]);
  });

  it("stops at servers without a leader, and at none", async () => {
    nomad.faults.leaderless = true;
    assert.deepEqual((await found()).at(-1), ["leader", "fail"]);
    nomad.faults.leaderless = false;
    nomad.faults.down = true;
    assert.deepEqual(await found(), [["address", "fail"]]);
    nomad.faults.down = false;
  });

  it("misses rights, and clients with the driver", async () => {
    nomad.acl.tokens?.set("small", new Set(["list-jobs", "node:read"]));
    const checks = await found({ token: "small", driver: "podman" });
    assert.deepEqual(
      checks.filter(([, status]) => status !== "ok"),
      [
        ["right to list variables", "fail"],
        ["clients", "fail"],
        ["memory beyond requests", "warn"],
      ],
    );
  });
});
