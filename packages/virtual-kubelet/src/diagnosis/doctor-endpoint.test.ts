// What `doctor` says of a node before it runs, on real ports and files; and of an API server that does not answer.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Node } from "../kube/types.gen.ts";
import { loadConfig } from "../program/load-config.ts";
import { createAuthority } from "../testing/pki.ts";
import { accessFix } from "./doctor-access.ts";
import type { Finding, Outcome } from "./doctor-check.ts";
import { serverFault } from "./doctor-cluster.ts";
import { futureCertificate, futureReach, PortCheck, portFinding, portHolder } from "./doctor-endpoint.ts";

async function contextOf(...flags: readonly string[]) {
  const argv = ["--provider=mock", "--nodename=vk", "--kubelet-address=127.0.0.1", ...flags];
  const { config } = await loadConfig({ argv, env: {}, cwd: "/" });
  const [node] = config.nodes;
  assert.ok(node !== undefined);
  return { config, node };
}

function holds({ status, message, fix = "" }: Finding, expected: Outcome, text: RegExp, remedy: RegExp = /^$/): void {
  assert.equal(status, expected, message);
  assert.match(message, text);
  assert.match(fix, remedy);
}

describe("the port of a node that does not run", () => {
  test("taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const { config, node } = await contextOf(`--kubelet-port=${port}`);
      holds(
        await futureReach(config, node, new PortCheck()),
        "fail",
        new RegExp(`else listens on 127\\.0\\.0\\.1:${port}`),
        /ss -ltnp/,
      );
    } finally {
      server.close();
    }
  });
  test("free, and what would be announced", async () => {
    const { config, node } = await contextOf("--kubelet-port=0");
    holds(await futureReach(config, node, new PortCheck()), "fail", /no address to announce/, /--node-ip IP/);
    const loopback = { ...node, internalIP: "127.0.0.1" };
    holds(
      await futureReach(config, loopback, new PortCheck()),
      "warn",
      /announce 127\.0\.0\.1, the loopback/,
      /--node-ip IP/,
    );
    const foreign = { ...node, internalIP: "203.0.113.9" };
    holds(
      await futureReach(config, foreign, new PortCheck()),
      "skip",
      /203\.0\.113\.9, which is no address of this machine \(right behind NAT alone\), with a port that is free/,
      /start it \(--nodename vk\)/,
    );
  });
  test("many nodes on one port, and on all addresses beside one of them", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const ports = new PortCheck();
    const hosts = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? "127.0.0.1" : ""));
    const faults = await Promise.all(hosts.map((host) => ports.fault(host, port)));
    assert.deepEqual(new Set(faults), new Set([undefined]));
  });
  test("taken by the program that it is added to", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const running = (name: string, Port: number): Node => ({
      metadata: { name },
      status: {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port } },
      },
    });
    try {
      const found = async (others: readonly Node[], ...flags: readonly string[]): Promise<Finding> => {
        const { config, node } = await contextOf(`--kubelet-port=${port}`, ...flags);
        return futureReach(config, node, new PortCheck(), () => Promise.resolve(others));
      };
      const shares = await found([running("old", port)], "--kubelet-shared-port");
      holds(shares, "skip", /the program that runs node old listens on 127\.0\.0\.1:\d+$/, /added .* start it again/);
      holds(await found([running("old", 1)], "--kubelet-shared-port"), "fail", /something else listens/, /ss -ltnp/);
      holds(await found([running("old", port)]), "fail", /something else listens/, /ss -ltnp/);
      const { config, node } = await contextOf(`--kubelet-port=${port}`);
      const moved = { ...node, name: "old", port: port + 1 };
      const others = [running("old", port)];
      assert.equal(portHolder({ ...config, nodes: [node, moved] }, node, others), "old", "its port changes");
      assert.equal(portHolder({ ...config, nodes: [node, { ...moved, port }] }, node, others), undefined);
    } finally {
      server.close();
    }
  });
  test("of another machine, or not for this user", () => {
    holds(portFinding("EADDRNOTAVAIL", "10.0.0.1:1", 1), "fail", /no address of this machine/, /--kubelet-address IP/);
    holds(portFinding("EACCES", "0.0.0.0:443", 443), "fail", /may not listen/, /above 1023/);
  });
});

describe("the certificate of a node that does not run", () => {
  test("from a file: for the address, or not, or not there", async () => {
    const directory = await mkdtemp(join(tmpdir(), "doctor-certificate-"));
    try {
      const { certificate } = createAuthority("ca").issue({ commonName: "x", ipAddresses: ["10.0.0.1"] });
      const file = join(directory, "c.pem");
      await writeFile(file, certificate);
      const { config, node } = await contextOf(`--tls-cert-file=${file}`, `--tls-private-key-file=${file}`);
      const told = (internalIP: string): Promise<Finding> =>
        futureCertificate(config, { ...node, internalIP }, Date.now());
      const good = await told("10.0.0.1");
      assert.notEqual(good.status, "fail", good.message);
      holds(
        await told("10.0.0.2"),
        "fail",
        /not for the advertised address 10\.0\.0\.2: it has IP Address:10\.0\.0\.1/,
        /./,
      );
      await rm(file);
      holds(await told("10.0.0.1"), "fail", /c\.pem: .*ENOENT/, /--tls-cert-file FILE/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
  test("to be made, or asked for", async () => {
    const { config, node } = await contextOf();
    holds(await futureCertificate(config, node, 0), "ok", /self-signed/);
    const asking = await contextOf("--server-tls-bootstrap");
    holds(await futureCertificate(asking.config, asking.node, 0), "ok", /asked of the cluster's signer/);
  });
});

describe("an API server that does not answer", () => {
  const cases: readonly [VirtualKubeletError["kind"], string, RegExp, RegExp][] = [
    ["Unauthorized", "credential plugin x is not installed", /there are no credentials/, /install that plugin/],
    ["Unauthorized", "Unauthorized", /does not accept the credentials/, /renew/],
    [
      "Forbidden",
      'User "system:anonymous" cannot create',
      /sees no credentials/,
      /client certificate and key, a token/,
    ],
    ["Unavailable", "connect ECONNREFUSED 10.0.0.1:6443", /does not answer/, /nothing listens there/],
    ["Unavailable", "getaddrinfo ENOTFOUND api.example", /does not answer/, /cannot be resolved/],
    ["Unavailable", "certificate is not yet valid", /does not answer/, /clock/],
    [
      "Unavailable",
      "unable to verify the first certificate; if the root CA is installed locally, try",
      /certificate$/,
      /certificate-authority/,
    ],
    ["Unavailable", "Hostname/IP does not match certificate's altnames", /altnames/, /tls-server-name/],
    ["Invalid", "Client sent an HTTP request to an HTTPS server.", /does not answer/, /begin with https:/],
    ["Unavailable", "no answer in time", /in time/, /firewall/],
  ];
  for (const [kind, text, message, fix] of cases)
    test(text, () =>
      holds(serverFault(new VirtualKubeletError(kind, text), "https://api.example"), "fail", message, fix),
    );
});

test("rights that are lacking: complete commands, by who it is", () => {
  assert.equal(accessFix("system:serviceaccount:virtual-kubelet:virtual-kubelet"), "kubectl apply -f deploy/rbac.yaml");
  assert.match(accessFix("system:node:vk"), /--authorization-mode=Node,RBAC/);
  assert.match(
    accessFix("system:serviceaccount:edge:vk"),
    /rbac\.yaml && kubectl create clusterrolebinding vk-vk --clusterrole=virtual-kubelet --serviceaccount=edge:vk && .* -n kube-node-lease .* -n kube-system --role=extension-apiserver-authentication-reader --serviceaccount=edge:vk$/,
  );
  assert.match(accessFix("Jane@x"), /clusterrolebinding vk-jane-x .* --user='Jane@x'/);
});
