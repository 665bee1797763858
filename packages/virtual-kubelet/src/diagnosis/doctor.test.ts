// What `doctor` makes of what it sees: tables over its pure parts.
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { DaemonSet, Lease, Node, PodSpec } from "../kube/types.gen.ts";
import { loadConfig } from "../program/load-config.ts";
import { program } from "../program/program.ts";
import { certificateFinding } from "./doctor-certificate.ts";
import type { Finding, Outcome } from "./doctor-check.ts";
import { clockFinding } from "./doctor-clock.ts";
import { reachFault } from "./doctor-kubelet.ts";
import { checkDaemonSets, checkName, checkTaintsAndLabels, placedHere } from "./doctor-node.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const meta = { name: "vk", uid: "u", resourceVersion: "1" };
const admin = "kubernetes-admin";

async function contextOf(user = admin, ...flags: readonly string[]) {
  const argv = ["--provider=mock", "--nodename=vk", ...flags];
  const { config } = await loadConfig({ argv, env: {}, cwd: "/" });
  const [node] = config.nodes;
  assert.ok(node !== undefined);
  return { config, node, user, now: () => now };
}

function holds({ status, message, fix }: Finding, expected: Outcome, text: RegExp, remedy?: RegExp): void {
  assert.equal(status, expected, message);
  assert.match(message, text);
  if (remedy === undefined) assert.equal(fix, undefined);
  else assert.match(fix ?? "", remedy);
}

const leaseOf = (secondsAgo: number): Stored<Lease> => ({
  metadata: meta,
  spec: { renewTime: new Date(now - secondsAgo * 1000).toISOString(), leaseDurationSeconds: 40 },
});
const nodeInfo = {
  ...{ architecture: "", bootID: "", containerRuntimeVersion: "", kernelVersion: "", kubeProxyVersion: "" },
  ...{ machineID: "", operatingSystem: "", osImage: "", systemUUID: "" },
};
const nodeOf = (
  managed: boolean,
  more: Partial<Node["spec"]> = {},
  labels: Readonly<Record<string, string>> = {},
): Stored<Node> => ({
  metadata: { ...meta, labels, annotations: managed ? { "virtual-kubelet.io/managed": "{}" } : {} },
  spec: { ...more },
});

describe("the node's name", () => {
  const cases: readonly [
    string,
    string,
    Stored<Node> | undefined,
    Stored<Lease> | undefined,
    Outcome,
    RegExp,
    RegExp?,
  ][] = [
    ["free", admin, undefined, undefined, "ok", /no node is named vk yet/],
    [
      "another kubelet's",
      admin,
      nodeOf(false),
      leaseOf(5),
      "fail",
      /another kubelet .* leaves it alone/,
      /another --nodename/,
    ],
    [
      "the Go project's, running",
      admin,
      { ...nodeOf(false), metadata: { ...meta, labels: { type: "virtual-kubelet" } } },
      leaseOf(5),
      "fail",
      /another virtual kubelet .* two writers/,
      /end that program first/,
    ],
    ["a dead one's", admin, nodeOf(false), leaseOf(500), "warn", /not heard of any more/, /kubectl delete node vk/],
    ["ours, running", admin, nodeOf(true), leaseOf(5), "ok", /a program runs it: start no second one/],
    [
      "ours, with nothing that it manages",
      admin,
      { ...nodeOf(false), status: { nodeInfo: { ...nodeInfo, kubeletVersion: "v1.36.3-vk-0.1.0" } } },
      leaseOf(5),
      "ok",
      /no second one/,
    ],
    ["ours, not running", admin, nodeOf(true), leaseOf(500), "ok", /nothing runs it now/],
    ["not the credentials'", "system:node:other", undefined, undefined, "fail", /of node other/, /--nodename other/],
  ];
  for (const [name, user, registered, lease, ...expected] of cases) {
    test(name, async () => holds(checkName({ ...(await contextOf(user)), registered, lease }), ...expected));
  }
  test("ours, running on another machine: wrong only where this one would serve it", async () => {
    const addresses = [{ type: "InternalIP", address: "203.0.113.7" }];
    const seen = { registered: { ...nodeOf(true), status: { addresses } }, lease: leaseOf(5) };
    const context = await contextOf();
    holds(
      checkName({ ...context, ...seen }),
      "ok",
      /a program at 203\.0\.113\.7 runs it, not on this machine: start none/,
    );
    for (const here of [{ isPlacedHere: true }, { user: "system:node:vk" }, { user: "system:serviceaccount:a:b" }])
      holds(
        checkName({ ...context, ...seen, ...here }),
        "warn",
        /a program at 203\.0\.113\.7 runs it, which is not this machine/,
        /another --nodename/,
      );
  });
  test("what the configuration says of this machine", async () => {
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const [address] = own.filter(({ internal }) => !internal).map((one) => one.address);
    const placed = async (...flags: readonly string[]): Promise<boolean> => {
      const { node, config } = await contextOf(admin, ...flags);
      return placedHere(node, config);
    };
    assert.equal(await placed(), false);
    assert.equal(await placed("--node-ip=203.0.113.7", "--kubelet-address=127.0.0.1"), false);
    if (address === undefined) return;
    assert.equal(await placed(`--node-ip=${address}`), true);
    assert.equal(await placed(`--kubelet-address=${address}`), true);
  });
});

describe("taints and labels", () => {
  const taint = { key: "virtual-kubelet.io/provider", value: "mock", effect: "NoSchedule" };
  test("not registered yet", async () =>
    holds(checkTaintsAndLabels(await contextOf()), "ok", /virtual-kubelet\.io\/provider=mock:NoSchedule/));
  test("without any", async () =>
    holds(checkTaintsAndLabels(await contextOf(admin, "--disable-taint")), "warn", /no taint/, /--disable-taint/));
  test("taken away", async () =>
    holds(
      checkTaintsAndLabels({ ...(await contextOf()), registered: nodeOf(true) }),
      "warn",
      /lacks the taints/,
      /when the program runs/,
    ));
  test("taken away, with node credentials", async () => {
    const context = { ...(await contextOf("system:node:vk")), registered: nodeOf(true) };
    holds(
      checkTaintsAndLabels(context),
      "warn",
      /lacks/,
      /kubectl taint node vk virtual-kubelet\.io\/provider=mock:NoSchedule/,
    );
  });
  test("labels that node credentials may set", async () => {
    const context = await contextOf("system:node:vk");
    const node = nodeOf(true, { taints: [taint] });
    holds(
      checkTaintsAndLabels({ ...context, registered: node }),
      "warn",
      /lacks the labels ((?!kubernetes\.io\/role).)*$/,
      /when the program runs/,
    );
  });
  test("labels", async () =>
    holds(
      checkTaintsAndLabels({ ...(await contextOf()), registered: nodeOf(true, { taints: [taint] }) }),
      "warn",
      /lacks the labels .*type=virtual-kubelet/,
      /when the program runs/,
    ));
});

describe("DaemonSets", () => {
  const setOf = (name: string, spec: Partial<PodSpec>): Stored<DaemonSet> => ({
    metadata: { ...meta, name, namespace: "kube-system" },
    spec: { selector: {}, template: { spec: { containers: [{ name: "c" }], ...spec } } },
  });
  const everywhere = { tolerations: [{ operator: "Exists" }] };
  test("kept off by the taint, or by their selector", async () => {
    const sets = [setOf("a", {}), setOf("b", { ...everywhere, nodeSelector: { disk: "ssd" } })];
    holds(checkDaemonSets(await contextOf(), sets), "ok", /none of 2/);
  });
  test("kube-proxy lands, and would be refused", async () => {
    const context = { ...(await contextOf()), description: { capabilities: { features: [] } } };
    const sets = [setOf("logs", everywhere), setOf("kube-proxy", { ...everywhere, hostNetwork: true })];
    const finding = checkDaemonSets(context, sets);
    holds(
      finding,
      "warn",
      /kube-system\/logs, kube-system\/kube-proxy \(network of real nodes.*\(refused: spec\.hostNetwork\)/,
      /patch daemonset kube-proxy -n kube-system/,
    );
    const [, patch] = / -p '(.*)' /.exec(finding.fix ?? "") ?? [];
    assert.ok(JSON.parse(patch ?? "").spec.template.spec.affinity);
  });
});

describe("clocks", () => {
  const cases: readonly [string, number | undefined, Outcome, RegExp][] = [
    ["no date", undefined, "skip", /no date/],
    ["the same", 0, "ok", /agrees/],
    ["whole seconds", -900, "ok", /agrees/],
    ["a little behind", 4000, "warn", /4s behind/],
    ["ahead", -61_000, "fail", /1m ahead of/],
  ];
  for (const [name, offset, status, text] of cases)
    test(name, () => {
      const found = clockFinding(offset === undefined ? undefined : now + offset, now, now + 100);
      holds(found, status, text, status === "warn" || status === "fail" ? /timedatectl/ : undefined);
    });
});

describe("the serving certificate", () => {
  const names = "DNS:vk.example.com, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1";
  const cases: readonly [string, string, string, boolean, Outcome, RegExp][] = [
    ["for the address", "10.0.0.1", "Jan  2 00:00:00 2026 GMT", false, "ok", /is for 10\.0\.0\.1, until/],
    ["for the name", "vk.example.com", "Jan  2 00:00:00 2026 GMT", false, "ok", /vk\.example\.com/],
    ["for IPv6", "fd00::1", "Jan  2 00:00:00 2026 GMT", false, "ok", /fd00::1/],
    ["self-signed", "10.0.0.1", "Jan  2 00:00:00 2026 GMT", true, "ok", /--kubelet-insecure-tls/],
    [
      "for another address",
      "10.0.0.9",
      "Jan  2 00:00:00 2026 GMT",
      false,
      "fail",
      /not for the advertised address 10\.0\.0\.9/,
    ],
    ["ended", "10.0.0.1", "Dec 31 00:00:00 2025 GMT", false, "fail", /has ended/],
  ];
  for (const [name, host, validTo, selfSigned, status, text] of cases)
    test(name, () => {
      const found = certificateFinding({ subjectaltname: names, validTo, selfSigned }, host, now);
      holds(found, status, text, status === "fail" ? /./ : undefined);
    });
});

describe("from the API server to the node", () => {
  const error = (kind: VirtualKubeletError["kind"], message: string): VirtualKubeletError =>
    new VirtualKubeletError(kind, message);
  const cases: readonly [VirtualKubeletError, Outcome, RegExp, RegExp][] = [
    [
      error("Forbidden", 'nodes "vk" is forbidden: User "u" cannot get resource "nodes/proxy"'),
      "skip",
      /may not ask/,
      /get --raw/,
    ],
    [
      error(
        "Forbidden",
        "get /api/v1/nodes/vk/proxy/configz: Forbidden (user=kube-apiserver, verb=get, resource=nodes, subresource(s)=[configz proxy])",
      ),
      "fail",
      /does not let/,
      /kubelet-api-admin/,
    ],
    [
      error("Unavailable", "dial tcp 10.0.0.1:10250: connect: connection refused"),
      "fail",
      /does not reach .* refused/,
      /start the program, if it has ended just now; else open that port/,
    ],
    [
      error("Unavailable", "tls: x509: certificate is valid for a, not b"),
      "fail",
      /does not trust/,
      /--server-tls-bootstrap/,
    ],
    [error("Invalid", "address not allowed"), "fail", /refuses addresses/, /--node-ip/],
  ];
  for (const [fault, ...expected] of cases)
    test(fault.message, () => holds(reachFault(fault, "10.0.0.1:10250", "vk"), ...expected));
});

test("without a cluster: exit code 1, the rest is still looked at", async () => {
  let stdout = "";
  const code = await program({
    argv: ["doctor", "--kubeconfig=/nowhere", "--provider=mock"],
    env: {},
    cwd: "/",
    stdout: { write: (part: string) => (stdout += part) },
    stderr: { write: () => true },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  assert.equal(code, 1);
  assert.match(stdout, /^FAIL {2}kubeconfig .*\/nowhere.*\n +fix: --kubeconfig FILE/);
  assert.match(
    stdout,
    /ok {4}provider +provider mock takes its configuration\nok {4}provider +back end: the simulation in this process answers/,
  );
});
