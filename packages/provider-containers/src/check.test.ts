// What `doctor` is told of an engine that is not there, or cannot limit pods; and of a socket that nobody serves, for real.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { engineFault, limitsCheck } from "./check.ts";
import { checkProvider } from "./containers-provider.ts";

describe("an engine that does not answer", () => {
  const unix = { type: "unix", path: "/run/x.sock" } as const;
  const tcp = { type: "tcp", host: "engine", port: 2376 } as const;
  const cases = [
    [unix, new VirtualKubeletError("Unavailable", "connect ENOENT /run/x.sock"), /podman\.socket/],
    [
      unix,
      new VirtualKubeletError("Unavailable", "connect EACCES /run/x.sock"),
      /run as root, or .* may use \/run\/x\.sock/,
    ],
    [tcp, new VirtualKubeletError("Unavailable", "connect ECONNREFUSED"), /endpoint and tls are right/],
    [tcp, new VirtualKubeletError("Unauthorized", "no"), /renew the client certificate/],
  ] as const;
  for (const [address, error, fix] of cases)
    test(`${address.type}: ${error.message}`, () => {
      const { status, message, fix: told } = engineFault(error, address);
      assert.deepEqual([status, message], ["fail", error.message]);
      assert.match(told ?? "", fix);
    });
});

test("limits of pods", () => {
  const status = (rootless: boolean, cgroupVersion: 1 | 2, cgroupDriver: "cgroupfs" | "none"): string =>
    limitsCheck({ rootless, cgroupVersion, cgroupDriver }).status;
  assert.equal(status(false, 1, "cgroupfs"), "ok");
  assert.equal(status(true, 2, "cgroupfs"), "ok");
  assert.equal(status(true, 1, "cgroupfs"), "warn");
  assert.equal(status(false, 2, "none"), "warn");
});

test("nobody serves the socket: told with the fix, and nothing is made", async () => {
  const directory = await mkdtemp(join(tmpdir(), "containers-check-"));
  try {
    const config = { stateDirectory: join(directory, "state"), endpoint: `unix://${directory}/none.sock` };
    const init = {
      ...{ node: "vk", operatingSystem: "linux", cluster: "test", clusterDomain: "cluster.local" },
      ...{ daemonEndpointPort: 0, config, log: silentLogger },
    };
    const [engine, ...more] = await checkProvider(init, { signal: AbortSignal.timeout(60_000), log: silentLogger });
    assert.equal(more.length, 0);
    assert.equal(engine?.status, "fail");
    assert.match(engine?.message ?? "", /none\.sock/);
    assert.deepEqual(await Array.fromAsync((await import("node:fs/promises")).glob("*", { cwd: directory })), []);
  } finally {
    await rm(directory, { recursive: true });
  }
});
