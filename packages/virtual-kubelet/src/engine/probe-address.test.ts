import assert from "node:assert/strict";
import { test } from "node:test";
import { hostOf, portOf } from "./probe-address.ts";
import { expandCommand } from "./probe-command.ts";

test("ports by number, by name, and by number in a string", () => {
  const container = {
    name: "c",
    ports: [{ name: "web", containerPort: 8080 }, { name: "8443", containerPort: 443 }, { containerPort: 9 }],
  };
  const table: readonly [number | string, number][] = [
    [80, 80],
    [65_535, 65_535],
    ["web", 8080],
    ["8443", 443],
    ["81", 81],
  ];
  for (const [port, number] of table) assert.equal(portOf(port, { container }), number);
  const faults: readonly [number | string, string][] = [
    [0, "invalid port number: 0"],
    [-1, "invalid port number: -1"],
    [65_536, "invalid port number: 65536"],
    ["0", "invalid port number: 0"],
    ["WEB", 'strconv.Atoi: parsing "WEB": invalid syntax'],
    ["", 'strconv.Atoi: parsing "": invalid syntax'],
  ];
  for (const [port, message] of faults) assert.throws(() => portOf(port, { container }), { kind: "Invalid", message });
  assert.throws(() => portOf("web", { container: { name: "bare" } }), { kind: "Invalid" });
});

test("the pod's first address, unless a host is named", () => {
  assert.equal(hostOf(undefined, { podIPs: ["10.0.0.1", "fd00::1"] }), "10.0.0.1");
  assert.equal(hostOf("", { podIPs: ["fd00::1"] }), "fd00::1");
  assert.equal(hostOf("example.com", { podIPs: [] }), "example.com");
  assert.throws(() => hostOf("", { podIPs: [] }), { kind: "Unavailable" });
});

test("commands are expanded with what the spec itself says of the variables", () => {
  const env = [
    { name: "A", value: "a" },
    { name: "EMPTY" },
    { name: "SECRET", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
  ];
  const table: readonly [string, string][] = [
    ["$(A)", "a"],
    ["x$(A)y$(A)z", "xayaz"],
    ["$(EMPTY)", ""],
    ["$(SECRET)", ""],
    ["$(NOPE)", "$(NOPE)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$a"],
    ["$A $(A", "$A $(A"],
    ["$(A)$", "a$"],
  ];
  assert.deepEqual(
    expandCommand(
      table.map(([word]) => word),
      { env },
    ),
    table.map(([, word]) => word),
  );
  assert.deepEqual(expandCommand(["$(A)"], {}), ["$(A)"]);
});
