import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterTrustBundleProjection, LabelSelector } from "../kube/types.gen.ts";
import { knownPod, sourcesOf } from "../testing/known-cluster.ts";
import { createAuthority } from "../testing/pki.ts";
import { type ClusterTrustBundle, newFindings } from "./sources.ts";
import { selects } from "./trust-bundle.ts";
import { podVolumes } from "./volumes.ts";

const [one = "", two = "", three = ""] = ["one", "two", "three"].map((name) =>
  createAuthority(name).certificate.trim(),
);
const bundle = (name: string, trustBundle: string, signerName?: string, labels = {}): ClusterTrustBundle => ({
  metadata: { name, labels },
  spec: { trustBundle, ...(signerName === undefined ? {} : { signerName }) },
});
const trustBundles = [
  bundle("plain", `a word before\n${one}\n\nin between\n${two}\n`),
  bundle("x:y:1", `${two}\n${two}`, "x/y", { env: "prod" }),
  bundle("x:y:2", three, "x/y", { env: "test" }),
];

function content(projection: Omit<ClusterTrustBundleProjection, "path">): readonly string[] | string {
  const findings = newFindings();
  const sources = [{ clusterTrustBundle: { ...projection, path: "ca.pem" } }];
  const pod = knownPod({ volumes: [{ name: "v", projected: { sources } }] });
  const [volume] = podVolumes(pod, sourcesOf({ trustBundles }), findings);
  if (volume?.type !== "files") return findings.faults.map(({ message }) => message).join();
  const text = Buffer.from(volume.files[0]?.data ?? []).toString("utf8");
  assert.ok(text === "" || text.endsWith("-----END CERTIFICATE-----\n"));
  return [one, two, three].filter((pem) => text.includes(pem) && text.split(pem).length === 2);
}

describe("trust bundles", () => {
  it("by name: the certificates alone", () => assert.deepEqual(content({ name: "plain" }), [one, two]));
  it("by signer and labels, each certificate once", () => {
    assert.deepEqual(content({ signerName: "x/y", labelSelector: {} }), [two, three]);
    assert.deepEqual(content({ signerName: "x/y", labelSelector: { matchLabels: { env: "prod" } } }), [two]);
  });
  it("that are not there", () => {
    assert.match(String(content({ name: "none" })), /clustertrustbundle "none" not found/);
    assert.match(String(content({ signerName: "x/y" })), /of signer "x\/y" not found/);
    assert.match(String(content({ signerName: "x/z", labelSelector: {} })), /of signer "x\/z" not found/);
    assert.deepEqual(content({ name: "none", optional: true }), []);
  });
});

describe("selects", () => {
  const labels = { app: "web", tier: "" };
  const expression = (key: string, operator: string, values?: readonly string[]): LabelSelector => ({
    matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
  });
  const table: readonly (readonly [LabelSelector | undefined, boolean])[] = [
    [undefined, false],
    [{}, true],
    [{ matchLabels: { app: "web" } }, true],
    [{ matchLabels: { app: "web", tier: "x" } }, false],
    [{ matchLabels: { none: "" } }, false],
    [{ matchLabels: { toString: "x" } }, false],
    [expression("app", "In", ["api", "web"]), true],
    [expression("app", "In", ["api"]), false],
    [expression("none", "In", ["api"]), false],
    [expression("app", "NotIn", ["api"]), true],
    [expression("app", "NotIn", ["web"]), false],
    [expression("none", "NotIn", ["web"]), true],
    [expression("tier", "Exists"), true],
    [expression("none", "Exists"), false],
    [expression("tier", "DoesNotExist"), false],
    [expression("none", "DoesNotExist"), true],
    [expression("app", "Gt", ["1"]), false],
    [{ matchLabels: { app: "web" }, ...expression("tier", "DoesNotExist") }, false],
  ];
  for (const [selector, expected] of table) {
    it(JSON.stringify(selector) ?? "none", () => assert.equal(selects(selector, labels), expected));
  }
});
