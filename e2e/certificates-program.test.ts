// The program with certificates from the cluster, and an API server that verifies kubelets: from a bootstrap token to logs, and
// a certificate replaced under `kubectl logs -f`.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { certificateSigningRequests, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { bootstrapKubeconfig } from "./bootstrap-token.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { startKubectl } from "./kubectl.ts";

let harness: Harness;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-certificates-"));
  const cluster = join(directory, "cluster");
  harness = await startHarness({
    directory: cluster,
    apiServerArgs: [`--kubelet-certificate-authority=${join(cluster, "ca.crt")}`],
  });
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/bootstrap-rbac.yaml"), "utf8"));
});
after(async () => {
  // Its control plane is in there.
  await harness?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A pod that writes a line every tenth of a second, on this node. */
async function ticker(name: string, node: string): Promise<void> {
  const mock = { "log-interval": "100ms", "log-text": "tick" };
  await harness.client.create(pods, podObject(name, { mock, spec: { nodeName: node } }));
  await harness.untilPod("runs", name, 20_000, isRunning);
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

async function endpointOf(node: string): Promise<Endpoint> {
  const { status } = await harness.client.get(nodes, { name: node });
  const host = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  assert.ok(host !== undefined && port !== undefined, JSON.stringify(status));
  return { host, port };
}

/** Subject of the certificate served there, which the cluster's authority has to have signed. */
async function subjectServed({ host, port }: Endpoint): Promise<string> {
  const socket = connect({ host, port, ca: await readFile(harness.cluster.caFile, "utf8") });
  try {
    await once(socket, "secureConnect");
    return String(socket.getPeerX509Certificate()?.subject);
  } finally {
    socket.destroy();
  }
}

describe("program with certificates from the cluster", { timeout: 900_000 }, () => {
  it("gets its own credentials by a bootstrap token, and serves logs once its serving certificate is approved", async () => {
    const kubeconfig = join(directory, "boot", "kubelet.conf");
    const certDir = join(directory, "boot", "pki");
    const args = ["--nodename", "boot", "--provider", "mock", "--server-tls-bootstrap", "--cert-dir", certDir];
    const bootstrap = ["--bootstrap-kubeconfig", await bootstrapKubeconfig(harness), "--rotate-certificates"];
    const program = await harness.program([...args, ...bootstrap], { kubeconfig, name: "boot" });
    await harness.nodeIsReady("boot", program);
    await ticker("boot-ticker", "boot");
    const refused = await harness.cluster.kubectl("logs", "boot-ticker");
    assert.match(refused.stderr, /x509: certificate signed by unknown authority|failed to verify certificate/);
    const name = await eventually("the request waits", 20_000, async () => {
      const { items } = await harness.client.list(certificateSigningRequests);
      return items.find(({ spec }) => spec.signerName === "kubernetes.io/kubelet-serving")?.metadata.name;
    });
    await eventually("the log says what to do", 10_000, async () =>
      (await program.logTail(65_536)).includes(`kubectl certificate approve ${name}`),
    );
    await harness.kubectl("certificate", "approve", name);
    const endpoint = await endpointOf("boot");
    await eventually("the certificate is served", 20_000, () => subjectServed(endpoint));
    assert.equal(await subjectServed(endpoint), "O=system:nodes\nCN=system:node:boot");
    assert.match(await harness.kubectl("logs", "boot-ticker", "--tail=1"), /tick/);
    // With what is kept now it starts without anybody's help.
    await program.kill("SIGTERM");
    const again = await harness.program([...args, ...bootstrap], { kubeconfig, name: "boot-again" });
    await eventually("the certificate is served again", 20_000, async () => subjectServed(await endpointOf("boot")));
    const { items } = await harness.client.list(certificateSigningRequests);
    assert.equal(items.length, 2, "one for the client, one for the server");
    await again.kill("SIGTERM");
  });

  it("follows a log across a replaced certificate", async () => {
    const [certFile, keyFile] = [join(directory, "tls.crt"), join(directory, "tls.key")];
    const host = (await endpointOf("boot")).host;
    await issue("first", host, certFile, keyFile);
    const program = await harness.program(
      ["--nodename", "files", "--provider", "mock", "--tls-cert-file", certFile, "--tls-private-key-file", keyFile],
      { kubeconfig: await harness.cluster.kubeconfigFor("system:node:files", ["system:nodes"]), name: "files" },
    );
    await harness.nodeIsReady("files", program);
    await ticker("files-ticker", "files");
    const client = { name: "kubectl", program: await findKubectl(), env: {} };
    await using following = startKubectl(harness, client, "logs", "-f", "files-ticker");
    await following.says("tick");
    const endpoint = await endpointOf("files");
    assert.equal(await subjectServed(endpoint), "CN=first");
    await issue("second", host, certFile, keyFile);
    await eventually("the new one is served", 30_000, async () => (await subjectServed(endpoint)) === "CN=second");
    const lines = (): number => following.stdout.split("\n").length;
    const before = lines();
    await eventually("the log goes on", 10_000, () => lines() > before + 10);
    assert.equal(following.child.exitCode, null);
    assert.match(await harness.kubectl("logs", "files-ticker", "--tail=1"), /tick/);
  });
});

/** A serving certificate of the cluster's authority, by OpenSSL, put in the place of another. */
async function issue(commonName: string, ip: string, certFile: string, keyFile: string): Promise<void> {
  const openssl = promisify(execFile);
  const [request, names] = [join(directory, "request.pem"), join(directory, "names.txt")];
  await writeFile(names, `subjectAltName=IP:${ip}\nextendedKeyUsage=serverAuth\n`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${keyFile}.new`];
  await openssl("openssl", ["req", ...key, "-subj", `/CN=${commonName}`, "-out", request]);
  const authority = [
    "-CA",
    harness.cluster.caFile,
    "-CAkey",
    join(harness.cluster.directory, "ca.key"),
    "-CAcreateserial",
  ];
  const output = ["-days", "2", "-extfile", names, "-out", `${certFile}.new`];
  await openssl("openssl", ["x509", "-req", "-in", request, ...authority, ...output]);
  await rename(`${certFile}.new`, certFile);
  await rename(`${keyFile}.new`, keyFile);
}
