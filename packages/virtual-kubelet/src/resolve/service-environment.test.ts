import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { knownService } from "../testing/known-cluster.ts";
import { serviceVariables } from "./service-environment.ts";

const kubernetes = knownService(
  "kubernetes",
  { clusterIP: "10.0.0.1", ports: [{ name: "https", port: 443 }] },
  "default",
);
const apiVariables = {
  KUBERNETES_SERVICE_HOST: "10.0.0.1",
  KUBERNETES_SERVICE_PORT: "443",
  KUBERNETES_SERVICE_PORT_HTTPS: "443",
  KUBERNETES_PORT: "tcp://10.0.0.1:443",
  KUBERNETES_PORT_443_TCP: "tcp://10.0.0.1:443",
  KUBERNETES_PORT_443_TCP_PROTO: "tcp",
  KUBERNETES_PORT_443_TCP_PORT: "443",
  KUBERNETES_PORT_443_TCP_ADDR: "10.0.0.1",
};
const ports = [{ name: "http", port: 80 }];

describe("serviceVariables", () => {
  it("tells of the API server always", () => {
    assert.deepEqual(Object.fromEntries(serviceVariables([kubernetes], "shop", false)), apiVariables);
    const other = knownService("kubernetes", { clusterIP: "10.0.0.9", ports }, "elsewhere");
    assert.deepEqual(Object.fromEntries(serviceVariables([other, kubernetes], "shop", true)), apiVariables);
  });

  it("tells of the namespace's Services with links alone", () => {
    const service = knownService("db", { clusterIP: "10.0.0.2", ports });
    assert.deepEqual([...serviceVariables([service], "shop", false)], []);
    assert.deepEqual([...serviceVariables([service], "other", true)], []);
    assert.equal(serviceVariables([service], "shop", true).get("DB_SERVICE_HOST"), "10.0.0.2");
  });

  it("has the namespace's own Service of the name go before the API server's", () => {
    const own = knownService("kubernetes", { clusterIP: "10.0.0.7", ports });
    for (const services of [
      [own, kubernetes],
      [kubernetes, own],
    ]) {
      assert.equal(serviceVariables(services, "shop", true).get("KUBERNETES_SERVICE_HOST"), "10.0.0.7");
      assert.equal(serviceVariables(services, "shop", false).get("KUBERNETES_SERVICE_HOST"), "10.0.0.1");
    }
  });

  it("has names in upper case, all ports, the first for the short form", () => {
    const service = knownService("my-db-1", {
      clusterIP: "10.0.0.2",
      ports: [
        { name: "sql-main", port: 5432 },
        { port: 53, protocol: "UDP" },
      ],
    });
    assert.deepEqual(
      [...serviceVariables([service], "shop", true)],
      [
        ["MY_DB_1_SERVICE_HOST", "10.0.0.2"],
        ["MY_DB_1_SERVICE_PORT", "5432"],
        ["MY_DB_1_SERVICE_PORT_SQL_MAIN", "5432"],
        ["MY_DB_1_PORT", "tcp://10.0.0.2:5432"],
        ["MY_DB_1_PORT_5432_TCP", "tcp://10.0.0.2:5432"],
        ["MY_DB_1_PORT_5432_TCP_PROTO", "tcp"],
        ["MY_DB_1_PORT_5432_TCP_PORT", "5432"],
        ["MY_DB_1_PORT_5432_TCP_ADDR", "10.0.0.2"],
        ["MY_DB_1_PORT_53_UDP", "udp://10.0.0.2:53"],
        ["MY_DB_1_PORT_53_UDP_PROTO", "udp"],
        ["MY_DB_1_PORT_53_UDP_PORT", "53"],
        ["MY_DB_1_PORT_53_UDP_ADDR", "10.0.0.2"],
      ],
    );
  });

  it("puts IPv6 addresses in brackets, in URLs alone", () => {
    const service = knownService("six", { clusterIP: "fd00::1", ports: [{ port: 80 }] });
    const variables = serviceVariables([service], "shop", true);
    assert.equal(variables.get("SIX_PORT"), "tcp://[fd00::1]:80");
    assert.equal(variables.get("SIX_SERVICE_HOST"), "fd00::1");
    assert.equal(variables.get("SIX_PORT_80_TCP_ADDR"), "fd00::1");
  });

  it("leaves out Services without an address", () => {
    const services = [
      knownService("headless", { clusterIP: "None", ports }),
      knownService("pending", { clusterIP: "", ports }),
      knownService("external", { type: "ExternalName", externalName: "x.example.com" }),
    ];
    assert.deepEqual([...serviceVariables(services, "shop", true)], []);
  });

  it("has one order, whatever the order of the Services", () => {
    const [a, b] = ["a", "b"].map((name) => knownService(name, { clusterIP: "10.0.0.2", ports }));
    assert.ok(a !== undefined && b !== undefined);
    assert.deepEqual([...serviceVariables([a, b], "shop", true)], [...serviceVariables([b, a], "shop", true)]);
  });
});
