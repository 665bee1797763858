// The configuration: what is written down, Nomad's environment, and all faults at once.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseNomadConfig } from "./config.ts";

describe("configuration", () => {
  it("is an agent of this host where nothing is said", () => {
    const { address, namespace, driver, allowedDrivers, network, datacenters } = parseNomadConfig(undefined, {});
    assert.deepEqual(
      { address, namespace, driver, allowedDrivers, network, datacenters },
      {
        ...{ address: "http://127.0.0.1:4646", namespace: "default", driver: "docker", allowedDrivers: ["docker"] },
        ...{ network: { mode: "bridge", podIP: "allocation" }, datacenters: ["*"] },
      },
    );
  });

  it("takes all of Nomad's variables, after what is written down", () => {
    const env = {
      ...{ NOMAD_ADDR: "https://nomad.test:4646", NOMAD_REGION: "eu", NOMAD_NAMESPACE: "team", NOMAD_TOKEN: "t" },
      ...{
        NOMAD_CACERT: "/ca",
        NOMAD_CAPATH: "/cas",
        NOMAD_CLIENT_CERT: "/cert",
        NOMAD_CLIENT_KEY: "/key",
        NOMAD_TLS_SERVER_NAME: "name",
      },
      ...{ NOMAD_SKIP_VERIFY: "1", NOMAD_HTTP_AUTH: "me:secret" },
    };
    const config = parseNomadConfig({ region: "us", tls: { caFile: "/other" } }, env);
    assert.deepEqual(
      [config.address, config.region, config.namespace, config.token, config.basicAuth],
      ["https://nomad.test:4646", "us", "team", "t", "me:secret"],
    );
    assert.deepEqual(config.tls, {
      ...{ caFile: "/other", caPath: "/cas", certFile: "/cert", keyFile: "/key", serverName: "name", skipVerify: true },
    });
    assert.equal(parseNomadConfig({ tokenFile: "/token" }, { NOMAD_TOKEN: "t" }).token, "");
  });

  it("tells all faults at once", () => {
    const wrong = { address: "nomad", driver: "qemu", priority: 0, network: { mode: "nat" }, colour: "red" };
    assert.throws(
      () => parseNomadConfig(wrong, { NOMAD_SKIP_VERIFY: "perhaps" }),
      (error: Error) => {
        for (const part of ["address", "driver", "priority", "network.mode", "colour", "tls.skipVerify"])
          assert.ok(error.message.includes(part), `${part} is not in ${error.message}`);
        return true;
      },
    );
    assert.throws(() => parseNomadConfig({ tls: { caFile: "/ca" } }, {}), /address.*must be https/s);
    assert.throws(
      () => parseNomadConfig({ token: "hunter2", tokenFile: "/t" }, {}),
      (error: Error) => {
        assert.match(error.message, /tokenFile/);
        assert.ok(!error.message.includes("hunter2"));
        return true;
      },
    );
  });
});
