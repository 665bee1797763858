import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodSpec } from "../kube/types.gen.ts";
import { knownPod } from "../testing/known-cluster.ts";
import { resolvConf } from "./resolv-conf.ts";

const clusterDNS = ["10.0.0.10"];
const host = "# of the host\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan corp\noptions edns0 ndots:2\n";
const domains = "shop.svc.c.local svc.c.local c.local";
const of = (spec: Partial<PodSpec>, settings: object = {}): string | undefined =>
  resolvConf(knownPod(spec), { clusterDNS, clusterDomain: "c.local", ...settings });
const cluster = `search ${domains}\nnameserver 10.0.0.10\noptions ndots:5\n`;

describe("resolvConf", () => {
  const table: readonly (readonly [string, Partial<PodSpec>, object, string | undefined])[] = [
    ["the cluster's by default", {}, {}, cluster],
    ["ClusterFirst", { dnsPolicy: "ClusterFirst" }, {}, cluster],
    ["the host's search domains last", {}, { host }, cluster.replace("c.local\n", "c.local lan corp\n")],
    ["the host's with its network", { hostNetwork: true }, {}, undefined],
    ["the host's with its network, known", { dnsPolicy: "ClusterFirst", hostNetwork: true }, { host }, host],
    ["ClusterFirstWithHostNet", { dnsPolicy: "ClusterFirstWithHostNet", hostNetwork: true }, {}, cluster],
    ["Default", { dnsPolicy: "Default" }, {}, undefined],
    ["Default, known", { dnsPolicy: "Default" }, { host }, host],
    ["without a DNS of the cluster", {}, { clusterDNS: [] }, undefined],
    ["None", { dnsPolicy: "None", dnsConfig: { nameservers: ["1.1.1.1"] } }, { host }, "nameserver 1.1.1.1\n"],
    [
      "None with everything",
      {
        dnsPolicy: "None",
        dnsConfig: {
          nameservers: ["1.1.1.1"],
          searches: ["a", "b"],
          options: [{ name: "ndots", value: "1" }, { name: "rotate" }],
        },
      },
      {},
      "search a b\nnameserver 1.1.1.1\noptions ndots:1 rotate\n",
    ],
    [
      "merged with the cluster's, each once, three servers at most",
      {
        dnsConfig: {
          nameservers: ["10.0.0.10", "1.1.1.1", "2.2.2.2", "3.3.3.3"],
          searches: ["c.local", "more"],
          options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
        },
      },
      {},
      `search ${domains} more\nnameserver 10.0.0.10\nnameserver 1.1.1.1\nnameserver 2.2.2.2\noptions ndots:2 edns0\n`,
    ],
    [
      "merged with the host's",
      { dnsPolicy: "Default", dnsConfig: { searches: ["more"], options: [{ name: "ndots", value: "9" }] } },
      { host },
      "search lan corp more\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions edns0 ndots:9\n",
    ],
  ];
  for (const [name, spec, settings, expected] of table) it(name, () => assert.equal(of(spec, settings), expected));

  it("has no more search domains than resolvers take", () => {
    const searches = Array.from({ length: 40 }, (_, index) => `d${index}`);
    const line = of({ dnsPolicy: "None", dnsConfig: { searches } })?.split("\n")[0]?.split(" ") ?? [];
    assert.equal(line.length, 33);
    const long = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(200, "x"));
    const text = of({ dnsPolicy: "None", dnsConfig: { searches: long } })?.split("\n")[0] ?? "";
    assert.ok(text.length <= "search ".length + 2048 && text.length > 1900);
  });
});
