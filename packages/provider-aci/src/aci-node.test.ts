// The subnet that pods are in: what is made, what is changed, what cannot be used; and the node meanwhile.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type NodeReport, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { FakeClock, settle } from "@virtual-kubelet/virtual-kubelet/testing";
import { wantedSubnet, watchNode } from "./aci-node.ts";
import type { AciClient } from "./arm-client.ts";
import { parseAciConfig } from "./config.ts";
import type { Subnet, SubnetProperties } from "./region-wire.ts";

const config = { subscription: "s", resourceGroup: "g", virtualNetwork: "v", name: "pods", cidr: "10.241.0.0/16" };
const service = "Microsoft.ContainerInstance/containerGroups";
const given = [{ name: "d", properties: { serviceName: service } }];
const subnet = (properties: SubnetProperties): Subnet => ({ id: "/x", name: "pods", properties });

describe("a subnet", () => {
  it("that is not there is made, given to container instances", () => {
    assert.deepEqual(wantedSubnet(undefined, config), {
      name: "pods",
      properties: {
        addressPrefix: "10.241.0.0/16",
        delegations: [{ name: "aciDelegation", properties: { serviceName: service } }],
      },
    });
  });

  it("that is given to them already stays as it is", () =>
    assert.equal(wantedSubnet(subnet({ addressPrefix: config.cidr, delegations: given }), config), undefined));

  it("that is given to nobody is given to them; all else of it stays", () => {
    const found = subnet({ addressPrefix: config.cidr, networkSecurityGroup: { id: "/nsg" } });
    const wanted = wantedSubnet(found, config);
    assert.deepEqual(wanted?.properties["networkSecurityGroup"], { id: "/nsg" });
    assert.equal(wanted?.properties.delegations?.[0]?.properties?.serviceName, service);
  });

  const faults: readonly (readonly [string, Subnet | undefined, string | undefined, RegExp])[] = [
    ["that is not there, and nobody says what to make", undefined, undefined, /pods of v is not there/],
    [
      "with other addresses",
      subnet({ addressPrefix: "10.1.0.0/16" }),
      config.cidr,
      /has the addresses 10.1.0.0\/16, not/,
    ],
    ["with a route table", subnet({ routeTable: { id: "/r" } }), undefined, /has a route table/],
    [
      "that others use",
      subnet({ serviceAssociationLinks: [{ properties: { linkedResourceType: "Microsoft.Web/serverFarms" } }] }),
      undefined,
      /is used by Microsoft.Web\/serverFarms/,
    ],
    [
      "that is given to others",
      subnet({ delegations: [{ properties: { serviceName: "Other/thing" } }] }),
      undefined,
      /is given to Other\/thing/,
    ],
  ];
  for (const [name, found, cidr, message] of faults)
    it(`${name} cannot be used`, () => assert.throws(() => wantedSubnet(found, { ...config, cidr }), message));
});

it("the node is not ready before its subnet is, which is looked at each minute", async () => {
  const clock = new FakeClock();
  const answers: (Subnet | undefined)[] = [subnet({ routeTable: { id: "/r" } }), subnet({ delegations: given })];
  const client: Pick<AciClient, "getSubnet" | "createOrUpdateSubnet"> = {
    getSubnet: async () => answers.shift(),
    createOrUpdateSubnet: () => assert.fail("nothing is to be written"),
  };
  const account = { subscription: "00000000-1111-2222-3333-444444444444", resourceGroup: "g", region: "West Europe" };
  const whole = parseAciConfig({ ...account, network: { subnet: { virtualNetwork: "v", name: "pods" } } });
  const reports: NodeReport[] = [];
  const end = new AbortController();
  const context = { signal: end.signal, log: silentLogger };
  let isOver = false;
  const watching = (async () => {
    for await (const report of watchNode(client, whole, clock, context)) reports.push(report);
    isOver = true;
  })();
  await settle();
  assert.deepEqual(
    reports.map(({ conditions }) => conditions?.[0]?.reason),
    ["SubnetUnusable"],
  );
  await clock.advance(60_000);
  await settle();
  assert.equal(reports.length, 2);
  assert.ok(!isOver, "whoever ends is asked again");
  end.abort();
  await watching;
  assert.equal(reports[1]?.conditions, undefined);
  assert.deepEqual(reports[1]?.capacity, { cpu: "10000", memory: "4Ti", pods: "5000" });
  assert.equal(reports[1]?.labels?.["topology.kubernetes.io/region"], "westeurope");
  assert.equal(reports[1]?.labels?.["node.kubernetes.io/exclude-from-external-load-balancers"], "true");
});
