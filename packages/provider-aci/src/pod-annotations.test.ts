// What pods may ask for by annotations, and what is refused.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAciConfig } from "./config.ts";
import { annotations, type PodWishes, wishesOf } from "./pod-annotations.ts";

const identity = (name: string): string =>
  `/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const config = parseAciConfig({
  ...{ subscription: "00000000-1111-2222-3333-444444444444", resourceGroup: "g", region: "westeurope", zones: ["1"] },
  identities: { default: [identity("all")], allowed: [identity("shop-*")] },
});
const second = "microsoft.containerinstance.virtualnode.";
const wishes = (given: Record<string, string>): PodWishes => wishesOf({ metadata: { annotations: given } }, config);

describe("annotations", () => {
  it("none: what is configured", () => {
    const { zones, priority, identities, confidential, injectDNS, subnetID } = wishes({});
    assert.deepEqual([zones, priority, confidential, injectDNS, subnetID], [["1"], "Regular", false, true, undefined]);
    assert.deepEqual(identities, [identity("all")]);
  });

  it("our own go before those of the second virtual nodes", () => {
    const both = { [annotations.zones]: "2", [`${second}zones`]: "3" };
    assert.deepEqual(wishes(both).zones, ["2"]);
    assert.deepEqual(wishes({ [`${second}zones`]: "3;2" }).zones, ["3", "2"]);
  });

  it("identities that are allowed, beside those of all", () =>
    assert.deepEqual(wishes({ [annotations.identities]: identity("shop-a") }).identities, [
      identity("all"),
      identity("shop-a"),
    ]));

  const faults: readonly (readonly [string, string, RegExp])[] = [
    [annotations.identities, identity("admin"), /is not among identities.allowed/],
    [`${second}subnets.primary`, "/subscriptions/s/any", /is not among allowedSubnets/],
    [`${second}imagecachepod`, "true", /is not supported/],
    [`${second}cmk.keyname`, "k", /is not supported/],
    [annotations.priority, "cheap", /must be Regular or Spot/],
    [annotations.zones, "one", /must be the number of a zone/],
    [annotations.gpu, "A100", /must be K80, P100 or V100/],
    [annotations.dnsNameLabel, "No_Label", /must be 5 to 63/],
    [annotations.sku, "dedicated", /must be standard or confidential/],
    [annotations.ccePolicy, "cG9saWN5", /needs virtual-kubelet.io\/container-sku/],
    [`${second}injectdns`, "no", /must be true or false/],
    [`${second}customtags`, "team", /must be like key=value/],
    // Tags by which the provider knows whose a group is, in any case of letters.
    [`${second}customtags`, "Virtual-Kubelet.IO.uid=other", /must be like key=value/],
  ];
  for (const [key, value, message] of faults)
    it(`${key}: ${value} is refused, with its field`, () =>
      assert.throws(() => wishes({ [key]: value }), { field: `metadata.annotations[${key}]`, message }));
});
