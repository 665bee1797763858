// Values that the chart refuses, with their place.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { chart, Helm } from "./chart-tools.ts";
import { image, mock, one } from "./chart-values.ts";

let helm: Helm;
before(async () => {
  helm = await Helm.find();
});
after(async () => {
  await helm?.[Symbol.asyncDispose]();
});

describe("values that are refused, with their place", { timeout: 900_000, concurrency: true }, () => {
  const node = { name: "vk", provider: mock };
  const cases: readonly [string, object, RegExp][] = [
    ["no image", { instances: [{ name: "a", config: { nodes: [node] } }] }, /'\/image\/repository'/],
    ["no instance", { image }, /'\/instances': minItems/],
    ["no node", one("a", { nodes: [] }), /'\/instances\/0\/config\/nodes': minItems/],
    ["an unknown value", { ...one("a", { nodes: [node] }), replicas: 2 }, /'replicas' not allowed/],
    ["an unknown setting", one("a", { nodes: [node], pods: 1 }), /'\/instances\/0\/config': .*'pods' not allowed/],
    ["of a node", one("a", { nodes: [{ ...node, lables: {} }] }), /'\/instances\/0\/config\/nodes\/0': .*'lables'/],
    ["what the chart sets", one("a", { nodes: [node], metricsAddr: ":1" }), /'metricsAddr' not allowed/],
    ["a type", one("a", { nodes: [node], podSyncWorkers: "ten" }), /podSyncWorkers': got string, want integer/],
    ["a range", one("a", { nodes: [{ ...node, port: 0 }] }), /nodes\/0\/port': minimum/],
    [
      "a choice",
      one("a", { nodes: [node] }, { certificate: { source: "csrs" } }),
      /certificate\/source': value must be one of 'selfSigned'/,
    ],
    ["a name", one("A_b", { nodes: [node] }), /'\/instances\/0\/name'/],
    [
      "a name twice",
      { image, instances: [1, 2].map(() => ({ name: "a", config: { nodes: [node] } })) },
      /instances\[1\]\.name: there are two instances named a/,
    ],
    [
      "a node twice",
      { image, instances: ["a", "b"].map((name) => ({ name, config: { nodes: [node] } })) },
      /instances\[1\]\.config\.nodes: two nodes are named vk/,
    ],
    [
      "a web view without a certificate",
      one("a", { nodes: [node], webView: { enabled: true }, kubelet: { serve: false } }),
      /instances\[0\]: config\.webView\.enabled needs config\.kubelet\.serve/,
    ],
    [
      "an identity that is none",
      one("a", { nodes: [node] }, { workloadIdentity: { aws: { roleARN: "virtual-kubelet" } } }),
      /workloadIdentity\/aws\/roleARN': 'virtual-kubelet' does not match pattern/,
    ],
    [
      "a token for nobody",
      one("a", { nodes: [node] }, { workloadIdentity: { projectToken: true } }),
      /instances\[0\]: workloadIdentity\.projectToken needs workloadIdentity\.azure\.clientID, \.aws\.roleARN or \.alibabaCloud\.roleARN/,
    ],
    [
      "half a setting",
      one("a", { nodes: [node] }, { certificate: { source: "secret" } }),
      /instances\[0\]: certificate\.source secret needs certificate\.secretName/,
    ],
  ];
  for (const [title, values, fault] of cases) {
    it(title, async () => {
      const { code, stderr } = await helm.run("template", "test", chart, "--values", await helm.values(values));
      assert.equal(code, 1);
      assert.match(stderr, fault);
    });
  }
});
