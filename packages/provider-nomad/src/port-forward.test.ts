// Where ports of pods are reached: over sockets, and by what an allocation says.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { NomadBackend } from "./nomad-backend.ts";
import { portAddress } from "./port-forward.ts";
import { podRequest } from "./testing/golden-pods.ts";
import { NomadBench } from "./testing/nomad-bench.ts";
import type { NomadAllocation } from "./wire.ts";

const bench = await NomadBench.start();
const { nomad, client, context } = bench;
const config = parseNomadConfig({ address: nomad.address }, {});
const backend = new NomadBackend({
  ...{ client, config, cluster: "c1", node: "nomad", clock: systemClock, log: silentLogger },
});
/** What Nomad's network would bring to port 80 of the pod. */
const server = createServer((socket) => socket.pipe(socket));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address: AddressInfo | string | null = server.address();
assert.ok(typeof address === "object" && address !== null);
const hostPort = address.port;
after(async () => {
  server.close();
  await backend[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

const allocation: NomadAllocation = {
  ...{ ID: "a", JobID: "j", NodeID: "n", TaskGroup: "pod", DesiredStatus: "run", ClientStatus: "running" },
  ...{ CreateIndex: 1, ModifyIndex: 1, CreateTime: 1 },
};

describe("a port", () => {
  it("is reached where Nomad allocated it", async () => {
    const containers = [{ name: "main", image: "app", ports: [{ containerPort: 80, hostPort }] }];
    const request = podRequest({ name: "web", spec: { containers } });
    const { id } = await backend.create(request, context);
    const group = await eventually("it runs", 10_000, async () => {
      const [found] = await backend.describe([{ id, owner: request.owner }], context);
      return found?.stage === "running" ? found : undefined;
    });
    const [ours, theirs] = duplexPair();
    const carried = backend.portForward(group, 80, theirs, context);
    ours.end("to and fro");
    assert.equal(await text(ours), "to and fro");
    await carried;
  });

  it("that is not allocated is the pod's own, or the host's", () => {
    const Shared = { Networks: [{ Mode: "bridge", IP: "10.0.0.1" }] };
    assert.equal(portAddress({ ...allocation, AllocatedResources: { Shared } }, 80), undefined);
    assert.deepEqual(
      portAddress({ ...allocation, AllocatedResources: { Shared }, NetworkStatus: { Address: "172.26.64.2" } }, 80),
      { host: "172.26.64.2", port: 80 },
    );
    const onHost = { Networks: [{ Mode: "host", IP: "10.0.0.1" }] };
    assert.deepEqual(portAddress({ ...allocation, AllocatedResources: { Shared: onHost } }, 80), {
      ...{ host: "10.0.0.1", port: 80 },
    });
  });
});
