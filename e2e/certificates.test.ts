// Certificates from a real control plane: serving certificates that somebody approves, denies or is slow to look at, a node's
// own credentials by a bootstrap token, and both renewed while they are used. OpenSSL has the last word on what was issued.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type Clock, systemClock } from "../packages/virtual-kubelet/src/clock.ts";
import { certificateFacts } from "../packages/virtual-kubelet/src/kube/certificate-pair.ts";
import { bootstrapClient, ClientCertificateRotation } from "../packages/virtual-kubelet/src/kube/client-certificate.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import {
  certificateSigningRequests,
  type KubeObject,
  nodes,
  resource,
} from "../packages/virtual-kubelet/src/kube/resource.ts";
import { ClientCaConfigMap } from "../packages/virtual-kubelet/src/server/client-ca-config-map.ts";
import { available } from "../packages/virtual-kubelet/src/server/renewed-value.ts";
import {
  RequestedServingCertificate,
  type RequestedServingCertificateOptions,
} from "../packages/virtual-kubelet/src/server/serving-certificate-request.ts";
import { type LogLine, LogRecorder } from "../packages/virtual-kubelet/src/testing/log-recorder.ts";
import { bootstrapKubeconfig } from "./bootstrap-token.ts";
import { eventually, type Harness, startHarness } from "./harness.ts";

let harness: Harness;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-certificates-"));
  harness = await startHarness({ controllerManagerArgs: ["--cluster-signing-duration=1h"] });
  for (const file of ["rbac.yaml", "bootstrap-rbac.yaml"])
    await harness.apply(await readFile(join(import.meta.dirname, "../deploy", file), "utf8"));
});
after(async () => {
  await rm(directory, { recursive: true, force: true });
  await harness?.[Symbol.asyncDispose]();
});

/** Timers that are a hundred times as fast as the time: what waits minutes is tried in a second. */
const hasty: Clock = {
  now: () => Date.now(),
  schedule: (delayMs, callback) => systemClock.schedule(delayMs / 100, callback),
};

async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("openssl", [...args]);
  return stdout;
}

const newDirectory = (): Promise<string> => mkdtemp(join(directory, "certs-"));
const account = (): Promise<string> => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");

interface Serving extends AsyncDisposable {
  readonly source: RequestedServingCertificate;
  readonly lines: readonly LogLine[];
  /** Name of a CSR that was asked to be approved, other than those given. */
  waiting(...but: readonly string[]): Promise<string>;
}

async function serve(
  node: string,
  options: Partial<RequestedServingCertificateOptions> & { readonly kubeconfig?: string } = {},
): Promise<Serving> {
  const { kubeconfig = await account(), ...rest } = options;
  const log = new LogRecorder();
  const { lines } = log;
  const client = await connect({ kubeconfig });
  const names = () => ({ dnsNames: [], ipAddresses: ["127.0.0.1"] });
  const source = new RequestedServingCertificate({ client, node, names, log, clock: hasty, ...rest });
  const end = new AbortController();
  const running = source.run(end.signal);
  return {
    source,
    lines,
    waiting: (...but) =>
      eventually(`${node} says which request to approve`, 20_000, () => {
        const said = lines.map(({ message }) => /kubectl certificate approve (\S+)$/.exec(message)?.[1]);
        return said.find((name) => name !== undefined && !but.includes(name));
      }),
    async [Symbol.asyncDispose]() {
      end.abort();
      await running;
      await client.close();
    },
  };
}

/** Is it of the cluster's authority, for a server at this address? OpenSSL decides. */
async function verifies(cert: string, ip: string): Promise<boolean> {
  const file = join(directory, `${randomBytes(6).toString("hex")}.pem`);
  await writeFile(file, cert);
  try {
    await openssl("verify", "-CAfile", harness.cluster.caFile, "-purpose", "sslserver", "-verify_ip", ip, file);
    return true;
  } catch {
    return false;
  }
}

const untilIssued = (serving: Serving, ip = "127.0.0.1"): Promise<true> =>
  eventually("the certificate is the cluster's", 20_000, async () => verifies(serving.source.current().cert, ip));

describe("serving certificate", { concurrency: true, timeout: 900_000 }, () => {
  it("is self-signed until somebody approves the request, kept, and there at once after a restart", async () => {
    const certDir = await newDirectory();
    let name: string;
    {
      await using serving = await serve("approved", { certDir });
      name = await serving.waiting();
      const first = await available(serving.source, AbortSignal.timeout(120_000));
      assert.equal(certificateFacts(first.cert).subject.commonName, "approved");
      assert.equal(await verifies(first.cert, "127.0.0.1"), false);
      const { spec } = await harness.client.get(certificateSigningRequests, { name });
      assert.equal(spec.signerName, "kubernetes.io/kubelet-serving");
      assert.deepEqual(spec.usages, ["digital signature", "server auth"]);
      assert.equal(spec.username, "system:serviceaccount:virtual-kubelet:virtual-kubelet");
      await harness.kubectl("certificate", "approve", name);
      await untilIssued(serving);
    }
    const file = join(certDir, "kubelet-server-current.pem");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(certDir), ["kubelet-server-current.pem"]);
    const text = await openssl("x509", "-in", file, "-noout", "-text");
    assert.match(text, /Subject: O = system:nodes, CN = system:node:approved\n/);
    assert.match(text, /IP Address:127\.0\.0\.1/);
    assert.match(text, /TLS Web Server Authentication/);
    assert.match(await openssl("pkey", "-in", file, "-noout", "-text"), /NIST CURVE: P-256/);

    await using again = await serve("approved", { certDir });
    assert.ok(await verifies((await available(again.source, AbortSignal.timeout(120_000))).cert, "127.0.0.1"));
    const { items } = await harness.client.list(certificateSigningRequests);
    const mine = items.filter(({ spec }) => certificateNameIn(spec.request) === "system:node:approved");
    assert.equal(mine.length, 1, "no second request");
  });

  it("goes on with its request after a restart", async () => {
    const certDir = await newDirectory();
    let name: string;
    {
      await using before = await serve("resumed", { certDir });
      name = await before.waiting();
    }
    assert.equal((await stat(join(certDir, "kubelet-server-pending.json"))).mode & 0o777, 0o600);
    await using after = await serve("resumed", { certDir });
    assert.equal(await after.waiting(), name);
    await harness.kubectl("certificate", "approve", name);
    await untilIssued(after);
  });

  it("is asked for again after a denial, and when the request was deleted", async () => {
    await using serving = await serve("denied");
    const denied = await serving.waiting();
    await harness.kubectl("certificate", "deny", denied);
    const deleted = await serving.waiting(denied);
    assert.ok(serving.lines.some(({ level, message }) => level === "warn" && /denied, another one/.test(message)));
    await harness.kubectl("delete", "csr", deleted);
    const last = await serving.waiting(denied, deleted);
    await harness.kubectl("certificate", "approve", last);
    await untilIssued(serving);
  });

  it("is renewed when it is due and when an address changes, as the node itself", async () => {
    let ipAddresses = ["127.0.0.1"];
    let renewAt = Number.POSITIVE_INFINITY;
    await using serving = await serve("renewed", {
      kubeconfig: await harness.cluster.kubeconfigFor("system:node:renewed", ["system:nodes"]),
      names: () => ({ dnsNames: ["renewed.example"], ipAddresses }),
      expirationSeconds: 600,
      renewAt: () => renewAt,
    });
    const begun = Date.now();
    const first = await serving.waiting();
    renewAt = Date.now();
    await harness.kubectl("certificate", "approve", first);
    await untilIssued(serving);
    const { cert } = serving.source.current();
    const { notAfter } = certificateFacts(cert);
    assert.ok(notAfter < Date.now() + 601_000 && notAfter > begun + 500_000);
    const second = await serving.waiting(first);
    renewAt = Number.POSITIVE_INFINITY;
    assert.equal(serving.source.current().cert, cert, "the old one serves until the new one is there");
    await harness.kubectl("certificate", "approve", second);
    await eventually("another certificate", 20_000, () => serving.source.current().cert !== cert);
    ipAddresses = ["127.0.0.1", "fd00::7"];
    const third = await serving.waiting(first, second);
    await harness.kubectl("certificate", "approve", third);
    await untilIssued(serving, "fd00::7");
  });
});

describe("serving certificate, with an API server that goes away", { timeout: 900_000 }, () => {
  it("is waited for all the same", async () => {
    await using serving = await serve("interrupted");
    const name = await serving.waiting();
    await harness.cluster.killApiServer();
    await harness.cluster.startApiServer();
    await harness.kubectl("certificate", "approve", name);
    await untilIssued(serving);
  });
});

/** The common name in a request, as the API has it. */
function certificateNameIn(request: string): string | undefined {
  const der = Buffer.from(
    Buffer.from(request, "base64")
      .toString("utf8")
      .replaceAll(/-----.*-----|\s/g, ""),
    "base64",
  );
  return /system:node:[a-z-]+/.exec(der.toString("latin1"))?.[0];
}

describe("a node's own credentials", { concurrency: true, timeout: 900_000 }, () => {
  it("come by a bootstrap token, rotate by themselves, and are taken under an open watch", async () => {
    const certDir = await newDirectory();
    const kubeconfig = join(certDir, "config", "kubelet.kubeconfig");
    const node = "bootstrapped";
    const options = { kubeconfig, certDir, node, log: new LogRecorder(), clock: hasty };
    const bootstrap = await bootstrapKubeconfig(harness);
    await bootstrapClient({ ...options, bootstrapKubeconfig: bootstrap }, AbortSignal.timeout(120_000));

    const text = await readFile(kubeconfig, "utf8");
    assert.doesNotMatch(text, /PRIVATE|token|data:/);
    assert.equal((await stat(kubeconfig)).mode & 0o777, 0o600);
    const file = join(certDir, "kubelet-client-current.pem");
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const shown = await openssl("x509", "-in", file, "-noout", "-text");
    assert.match(shown, /Subject: O = system:nodes, CN = system:node:bootstrapped\n/);
    assert.match(shown, /TLS Web Client Authentication/);
    assert.doesNotMatch(shown, /Subject Alternative Name/);
    const before = await readFile(file, "utf8");
    // All is there: nothing is asked for, not even of a cluster that is gone.
    await bootstrapClient({ ...options, bootstrapKubeconfig: "/nowhere" }, AbortSignal.timeout(120_000));
    assert.equal(await readFile(file, "utf8"), before);

    const client = await connect({ kubeconfig });
    const end = new AbortController();
    const seen: string[] = [];
    const selector = { fieldSelector: `metadata.name=${node}`, sendInitialEvents: true, signal: end.signal };
    const watching = (async () => {
      for await (const event of client.watch(nodes, selector))
        if (event.type !== "BOOKMARK") seen.push(event.object.metadata.labels?.["round"] ?? "");
    })();
    const write = (round: string): Promise<unknown> =>
      client.patchMeta(nodes, { name: node }, "merge", { metadata: { labels: { round } } });
    await client.create(nodes, { metadata: { name: node, labels: { round: "0" } } });
    await eventually("the watch shows the node", 10_000, () => seen.includes("0"));

    const due = [Date.now()];
    const renewAt = (): number => due.shift() ?? Number.POSITIVE_INFINITY;
    const rotation = new ClientCertificateRotation({ ...options, client, renewAt });
    const rotating = rotation.run(end.signal);
    const after = await eventually("another certificate", 30_000, async () => {
      const now = await readFile(file, "utf8");
      return now !== before && now;
    });
    const requester = (await harness.client.list(certificateSigningRequests)).items.filter(
      ({ spec }) => spec.username === `system:node:${node}`,
    );
    assert.equal(requester.length, 1, "asked for by the node itself, once");
    const subject = await openssl("x509", "-in", file, "-noout", "-subject");
    assert.match(subject, /CN = system:node:bootstrapped/);
    assert.notEqual(after, before);
    await write("1");
    await eventually("the old watch goes on", 10_000, () => seen.includes("1"));
    // A credential is looked at every second; the API server says by which one the next request came.
    const review = resource<KubeObject>("authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews", false);
    const id = (await openssl("x509", "-in", file, "-outform", "DER", "-fingerprint", "-sha256", "-noout"))
      .replace(/^.*=/, "")
      .replaceAll(/[:\s]/g, "")
      .toLowerCase();
    await eventually("requests come by the new certificate", 20_000, async () =>
      JSON.stringify(await client.review(review, {}))
        .toLowerCase()
        .includes(id),
    );
    await write("2");
    await eventually("the old watch still goes on", 10_000, () => seen.includes("2"));
    end.abort();
    await Promise.all([rotating, assert.rejects(watching, { kind: "Aborted" })]);
    await client.close();
  });
});

describe("client CA of the cluster", { concurrency: true, timeout: 900_000 }, () => {
  for (const [user, kubeconfig] of [
    ["a ServiceAccount", account],
    ["a node", () => harness.cluster.kubeconfigFor("system:node:ca-reader", ["system:nodes"])],
  ] satisfies [string, () => Promise<string>][]) {
    it(`is read by ${user}`, async () => {
      const client = await connect({ kubeconfig: await kubeconfig() });
      const end = new AbortController();
      const source = new ClientCaConfigMap({ client, log: new LogRecorder() });
      const running = source.run(end.signal);
      const bundle = await available(source, AbortSignal.timeout(120_000));
      assert.equal(bundle.trim(), (await readFile(harness.cluster.caFile, "utf8")).trim());
      end.abort();
      await running;
      await client.close();
    });
  }

  it("is none for a user who may not read it, who is told what to do", async () => {
    const log = new LogRecorder();
    const client = await connect({ kubeconfig: await harness.cluster.kubeconfigFor("stranger") });
    const end = new AbortController();
    const source = new ClientCaConfigMap({ client, log });
    const running = source.run(end.signal);
    await eventually(
      "the log says what to grant",
      10_000,
      () => log.count(/--client-ca-file.*extension-apiserver-authentication-reader/, "warn") === 1,
    );
    assert.throws(() => source.current(), { kind: "Unavailable" });
    end.abort();
    await running;
    await client.close();
  });
});
