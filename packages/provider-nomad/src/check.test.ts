// What doctor says of a Nomad, over the fake.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { networkCheck } from "./check.ts";
import { parseNomadConfig } from "./config.ts";
import { checkProvider } from "./nomad-provider.ts";
import { FakeNomad } from "./testing/fake-nomad/fake-nomad.ts";
import type { NomadNode } from "./wire-node.ts";

const nomad = await FakeNomad.start({ tokens: new Map([["whole", "management"]]) });
after(() => nomad[Symbol.asyncDispose]());
const context = { signal: new AbortController().signal, log: silentLogger };

async function found(settings: object = {}): Promise<readonly (readonly string[])[]> {
  const config = { address: nomad.address, token: "whole", ...settings };
  const checks = await checkProvider(
    {
      ...{ node: "n", operatingSystem: "Linux", cluster: "c", clusterDomain: "cluster.local", daemonEndpointPort: 0 },
      ...{ config, log: silentLogger },
    },
    context,
  );
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

  it("misses the network that pods are to have", () => {
    const node = (...modes: readonly string[]): NomadNode => ({
      ...{ ID: "n", Name: "n", Datacenter: "dc1", Status: "ready", SchedulingEligibility: "eligible", Drain: false },
      ModifyIndex: 1,
      NodeResources: {
        ...{ Cpu: { CpuShares: 1, TotalCpuCores: 1 }, Memory: { MemoryMB: 1 }, Disk: { DiskMB: 1 } },
        NodeNetworks: modes.map((Mode) => ({ Mode })),
      },
    });
    const check = (mode: string, ...nodes: readonly NomadNode[]) =>
      networkCheck(nodes, parseNomadConfig({ network: { mode } }, {}))?.message;
    assert.equal(check("bridge", node("host"), node("host", "bridge")), undefined);
    assert.equal(check("bridge"), undefined);
    assert.equal(check("none", node("host")), undefined);
    assert.equal(
      check("cni/pods", node("host", "bridge")),
      "no client has a network of the mode cni/pods: bridge, host",
    );
  });
});
