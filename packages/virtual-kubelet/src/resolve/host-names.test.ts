import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodSpec } from "../kube/types.gen.ts";
import { knownPod } from "../testing/known-cluster.ts";
import { type HostNames, hostNames, hostsFile } from "./host-names.ts";

const long = "a".repeat(62);
const names = (spec: Partial<PodSpec>, name = "web-0"): HostNames => hostNames(knownPod(spec, { name }), "c.local");

describe("hostNames", () => {
  const plain = { setHostnameAsFQDN: false };
  const table: readonly (readonly [string, Partial<PodSpec>, string, HostNames])[] = [
    ["the pod's name", {}, "web-0", { hostname: "web-0", ...plain }],
    ["its own", { hostname: "here" }, "web-0", { hostname: "here", ...plain }],
    ["cut, without what may not be last", {}, `${long}-.x`, { hostname: long, ...plain }],
    ["63 characters", {}, `${long}bc`, { hostname: `${long}b`, ...plain }],
    [
      "with a subdomain",
      { hostname: "here", subdomain: "sub" },
      "web-0",
      { hostname: "here", fqdn: "here.sub.shop.svc.c.local", ...plain },
    ],
    [
      "as its FQDN",
      { subdomain: "sub", setHostnameAsFQDN: true },
      "web-0",
      { hostname: "web-0", fqdn: "web-0.sub.shop.svc.c.local", setHostnameAsFQDN: true },
    ],
    ["as its FQDN, without a subdomain", { setHostnameAsFQDN: true }, "web-0", { hostname: "web-0", ...plain }],
    [
      "the node's with its network",
      { hostNetwork: true, hostname: "x", subdomain: "y" },
      "web-0",
      { hostname: "vk", ...plain },
    ],
    [
      "what overrides all",
      { hostnameOverride: "o.example.com", hostname: "x", subdomain: "y" },
      "web-0",
      { hostname: "o.example.com", ...plain },
    ],
  ];
  for (const [title, spec, name, expected] of table) it(title, () => assert.deepEqual(names(spec, name), expected));

  it("has no kernel hostname of more than 64 characters", () => {
    const spec = { subdomain: "s", setHostnameAsFQDN: true };
    const rest = ".s.shop.svc.c.local".length;
    assert.equal(names(spec, "a".repeat(64 - rest)).fault, undefined);
    assert.match(names(spec, "a".repeat(65 - rest)).fault ?? "", /at most 64 characters, it has 65/);
    assert.equal(names({ subdomain: "s" }, "a".repeat(65 - rest)).fault, undefined);
  });
});

describe("hostsFile", () => {
  const head = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;
  const lines = (text: string) => ({ afterEachPodIP: text });
  const file = (spec: Partial<PodSpec>) => hostsFile(knownPod(spec), names(spec));

  it("has the pod's addresses with its names, and its aliases", () => {
    assert.deepEqual(file({}), [head, lines("\tweb-0\n")]);
    assert.deepEqual(file({ subdomain: "s" }), [head, lines("\tweb-0.s.shop.svc.c.local\tweb-0\n")]);
    const hostAliases = [
      { ip: "1.2.3.4", hostnames: ["a", "b"] },
      { ip: "::5", hostnames: ["c"] },
    ];
    assert.deepEqual(file({ hostAliases }), [
      head,
      lines("\tweb-0\n"),
      "\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n::5\tc\n",
    ]);
  });

  it("is the host's own with its network", () => assert.equal(file({ hostNetwork: true }), undefined));
});
