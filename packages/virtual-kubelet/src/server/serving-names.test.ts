import assert from "node:assert/strict";
import { test } from "node:test";
import { servingNames } from "./serving-names.ts";

test("names and addresses of a node, each once and in order", () => {
  const names = servingNames([
    { type: "InternalIP", address: "10.0.0.2" },
    { type: "ExternalIP", address: "10.0.0.1" },
    { type: "InternalIP", address: "10.0.0.2" },
    { type: "InternalIP", address: "fd00::1" },
    { type: "Hostname", address: "Node-A" },
    { type: "InternalDNS", address: "node-a.example" },
    { type: "ExternalDNS", address: "node-a.example" },
    { type: "Hostname", address: "10.0.0.3" },
    { type: "Hostname", address: "not a name" },
    { type: "Hostname", address: "-a.example" },
    { type: "Hostname", address: "" },
    { type: "Hostname", address: `${"a".repeat(64)}.example` },
  ]);
  assert.deepEqual(names, {
    dnsNames: ["node-a", "node-a.example"],
    ipAddresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"],
  });
  assert.deepEqual(servingNames([]), { dnsNames: [], ipAddresses: [] });
});
