// What doctor says of a Nomad, over one in memory.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { nomadChecks } from "./check.ts";
import { parseNomadConfig } from "./config.ts";
import { MemoryNomad } from "./testing/memory-nomad.ts";

const context = { signal: new AbortController().signal, log: silentLogger };

async function found(nomad: MemoryNomad, settings: object = {}): Promise<readonly (readonly string[])[]> {
  const checks = await nomadChecks(nomad, parseNomadConfig(settings, {}), context);
  return checks.map(({ name, status }) => [name, status]);
}

describe("doctor", () => {
  it("finds nothing wrong with a whole Nomad", async () => {
    assert.deepEqual(await found(new MemoryNomad(new MemoryGroups())), [
      ["address", "ok"],
      ["leader", "ok"],
      ["right to list jobs", "ok"],
      ["right to list variables", "ok"],
      ["clients", "ok"],
      ["memory beyond requests", "ok"],
    ]);
  });

  it("stops at servers without a leader, and at none", async () => {
    const nomad = new MemoryNomad(new MemoryGroups());
    nomad.leaderAddress = "";
    assert.deepEqual((await found(nomad)).at(-1), ["leader", "fail"]);
    nomad.leader = async () => {
      throw new VirtualKubeletError("Unavailable", "nobody answers");
    };
    assert.deepEqual(await found(nomad), [["address", "fail"]]);
  });

  it("misses rights, and clients with the driver", async () => {
    const nomad = new MemoryNomad(new MemoryGroups());
    nomad.listVariables = async () => {
      throw new VirtualKubeletError("Forbidden", "Permission denied");
    };
    const checks = await found(nomad, { driver: "podman" });
    assert.deepEqual(
      checks.filter(([, status]) => status === "fail"),
      [
        ["right to list variables", "fail"],
        ["clients", "fail"],
      ],
    );
  });
});
