// The configuration of the containers provider: what is left out, and what is said of faults.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseContainersConfig } from "./config.ts";

test("little has to be written down, and then little is allowed", () => {
  const config = parseContainersConfig({ stateDirectory: "/var/lib/vk/" });
  assert.equal(config.stateDirectory, "/var/lib/vk");
  assert.deepEqual(
    [config.allowPrivileged, config.allowHostNamespaces, config.hostPaths, config.allowedUnsafeSysctls],
    [false, false, [], []],
  );
  assert.equal(config.seccompDefault, true);
});

describe("faults", () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{}, /stateDirectory: is required/],
    [{ stateDirectory: "here" }, /stateDirectory: must be an absolute path/],
    [{ stateDirectory: "/a:b" }, /stateDirectory: must hold no comma/],
    [{ stateDirectory: "/a", endpoint: "here" }, /endpoint: must be like unix/],
    [{ stateDirectory: "/a", endpoint: "tcp://host:2375" }, /needs tls, or insecurePlainHTTP/],
    [{ stateDirectory: "/a", ulimits: { nofile: { soft: 2, hard: 1 } } }, /soft must be at most hard/],
    [{ stateDirectory: "/a", hostPath: [] }, /hostPath: unknown setting/],
    [{ stateDirectory: "/a", logs: { maxSize: "1Ki" } }, /logs.maxSize: must be at least 64Ki/],
    [{ stateDirectory: "/a", images: { highThresholdPercent: 50 } }, /lowThresholdPercent must be at most/],
    [{ stateDirectory: "a", cgroupParent: "" }, /stateDirectory: .*; cgroupParent: /],
  ];
  for (const [value, expected] of cases)
    test(JSON.stringify(value), () => assert.throws(() => parseContainersConfig(value), expected));
});

test("a plain port is used where that is said by name", () => {
  const config = { stateDirectory: "/a", endpoint: "tcp://host:2375", insecurePlainHTTP: true };
  assert.equal(parseContainersConfig(config).endpoint, "tcp://host:2375");
});
