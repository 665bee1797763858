import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { KubeletApi, type KubeletApiOptions } from "./kubelet-api.ts";
import { silentLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { ServingCertificate } from "./server/certificate-source.ts";
import { Changing, FakeNode, NameAuthorizer, nameAuthenticator } from "./testing/kubelet-fixture.ts";
import { createAuthority } from "./testing/pki.ts";

const ca = createAuthority("ca");
const certificate = (): ServingCertificate => {
  const { certificate: cert, key } = ca.issue({ commonName: "kubelet", ipAddresses: ["127.0.0.1"] });
  return { cert, key };
};

function bench(options: Pick<KubeletApiOptions, "certificate" | "background">) {
  const metrics = createMetrics();
  const api = new KubeletApi(
    { ...options, authenticator: nameAuthenticator, authorizer: new NameAuthorizer() },
    {
      cluster: "cluster",
      nodes: ["node-a", "node-b"].map((name) => {
        const { provider } = new FakeNode(name);
        return { name, provider, listener: { host: "127.0.0.1", port: 0 } };
      }),
      pods: { podsOf: () => [], find: () => undefined },
      capacityOf: () => undefined,
      problem: () => undefined,
      log: silentLogger,
      metrics,
    },
  );
  return { api, metrics };
}

test("when serving certificates end is a metric of each node, which goes with them", async () => {
  const [a, b] = [new Changing(certificate()), new Changing<ServingCertificate>({ cert: "none yet", key: "" })];
  const { api, metrics } = bench({ certificate: (node) => (node === "node-a" ? a : b) });
  const expiries = async (): Promise<unknown> =>
    (await metrics.certificateExpiry.get()).values.map(({ labels, value }) => [labels.node, labels.use, value]);
  const end = new AbortController();
  const running = api.run(end.signal);
  await api.listening;
  const endOf = (pem: string): number => new X509Certificate(pem).validToDate.getTime() / 1000;
  assert.deepEqual(await expiries(), [["node-a", "serving", endOf(a.current().cert)]]);
  b.set(certificate());
  assert.deepEqual(await expiries(), [
    ["node-a", "serving", endOf(a.current().cert)],
    ["node-b", "serving", endOf(b.current().cert)],
  ]);
  end.abort();
  await running;
});

test("a fault of what runs beside the server ends it, whenever it comes", async () => {
  let ended = false;
  const other = async (signal: AbortSignal): Promise<void> => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended = true;
  };
  const { api } = bench({
    certificate: new Changing(certificate()),
    background: [{ run: () => Promise.reject(new Error("no disk")) }, { run: other }],
  });
  await assert.rejects(api.run(new AbortController().signal), /no disk/);
  assert.equal(ended, true);
});
