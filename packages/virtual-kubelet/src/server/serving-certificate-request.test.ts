import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { certificateFacts } from "../kube/certificate-pair.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemorySigner } from "../testing/memory-signer.ts";
import { available } from "./renewed-value.ts";
import { RequestedServingCertificate, type RequestedServingCertificateOptions } from "./serving-certificate-request.ts";

async function begin(options: Partial<RequestedServingCertificateOptions> = {}) {
  const signer = new MemorySigner();
  const log = new LogRecorder();
  const source = new RequestedServingCertificate({
    client: signer.client,
    node: "node-a",
    names: () => ({ dnsNames: [], ipAddresses: ["10.0.0.1"] }),
    log,
    clock: new FakeClock(),
    ...options,
  });
  const end = new AbortController();
  const running = source.run(end.signal);
  const changes: string[] = [];
  source.subscribe(() => changes.push(certificateFacts(source.current().cert).subject.commonName));
  return {
    signer,
    log,
    source,
    changes,
    async [Symbol.asyncDispose]() {
      end.abort();
      await running;
    },
  };
}

describe("a serving certificate from the cluster", () => {
  it("is stood in for by a self-signed one until it is issued", async () => {
    await using trial = await begin();
    const first = await available(trial.source, AbortSignal.timeout(60_000));
    assert.equal(certificateFacts(first.cert).subject.commonName, "node-a");
    await eventually(() => trial.signer.watching > 0, "the request");
    assert.equal(
      trial.log.lines.find(({ message }) => /kubectl certificate approve/.test(message))?.fields["node"],
      "node-a",
    );
    await trial.signer.approve("csr-1", { notBefore: Date.UTC(2025, 11, 31), notAfter: Date.UTC(2026, 11, 31) });
    await eventually(() => trial.changes.length === 2, "it is served");
    assert.deepEqual(trial.changes, ["node-a", "system:node:node-a"]);
    assert.deepEqual(certificateFacts(trial.source.current().cert).subject, {
      commonName: "system:node:node-a",
      organizations: ["system:nodes"],
      dnsNames: [],
      ipAddresses: ["10.0.0.1"],
    });
  });

  it("is not stood in for when that is not wanted", async () => {
    await using trial = await begin({ selfSignedMeanwhile: false });
    await eventually(() => trial.signer.watching > 0, "the request");
    assert.throws(() => trial.source.current(), { kind: "Unavailable", message: /not issued yet/ });
    await trial.signer.approve("csr-1", { notBefore: Date.UTC(2025, 11, 31), notAfter: Date.UTC(2026, 11, 31) });
    await available(trial.source, AbortSignal.timeout(60_000));
    assert.deepEqual(trial.changes, ["system:node:node-a"]);
  });

  it("is not asked for without a name or address", async () => {
    await using trial = await begin({ names: () => ({ dnsNames: [], ipAddresses: [] }) });
    await eventually(() => trial.log.count(/no certificate yet/, "warn") === 1, "told");
    assert.match(String(trial.log.lines.find(({ level }) => level === "warn")?.fields["err"]), /no address to certify/);
    assert.deepEqual(trial.signer.names, []);
  });
});
