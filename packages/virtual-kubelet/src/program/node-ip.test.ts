// Which address a node has when nobody says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultNodeIP } from "./node-ip.ts";

const of = (address: string, internal = false) => ({
  address,
  internal,
  netmask: "",
  mac: "",
  cidr: null,
  ...(address.includes(":") ? { family: "IPv6" as const, scopeid: 0 } : { family: "IPv4" as const }),
});

test("an address that is listened on is the node's; else the first that others can reach", () => {
  const interfaces = {
    lo: [of("127.0.0.1", true), of("::1", true)],
    eth0: [of("fe80::1"), of("2001:db8::7"), of("169.254.1.1"), of("10.0.0.7")],
    eth1: [of("10.0.1.7")],
  };
  assert.equal(defaultNodeIP("127.0.0.1", interfaces), "127.0.0.1");
  for (const all of ["", "::", "0.0.0.0"]) assert.equal(defaultNodeIP(all, interfaces), "10.0.0.7");
  assert.equal(defaultNodeIP("", { eth0: [of("fe80::1"), of("2001:db8::7")] }), "2001:db8::7");
  assert.equal(defaultNodeIP("", { lo: [of("127.0.0.1", true)] }), undefined);
});
