import assert from "node:assert/strict";
import { test } from "node:test";
import { kubeletConfiguration } from "./kubelet-configuration.ts";
import { loadConfig } from "./load-config.ts";

async function shown(...argv: readonly string[]): Promise<unknown> {
  const { config } = await loadConfig({ argv: ["--provider", "mock", ...argv], env: {}, cwd: "/" });
  return kubeletConfiguration(config);
}

test("by default: webhooks for both questions, nobody anonymous", async () => {
  assert.deepEqual(await shown(), {
    rotateCertificates: true,
    serverTLSBootstrap: false,
    authentication: { x509: {}, webhook: { enabled: true, cacheTTL: "2m" }, anonymous: { enabled: false } },
    authorization: { mode: "Webhook", webhook: { cacheAuthorizedTTL: "5m", cacheUnauthorizedTTL: "30s" } },
    clusterDomain: "cluster.local",
    nodeStatusReportFrequency: "5m",
    nodeLeaseDurationSeconds: 40,
  });
});

test("names of files, and what is insecure", async () => {
  const files = ["--tls-cert-file", "/c", "--tls-private-key-file", "/k", "--client-ca-file", "/ca"];
  const found = JSON.stringify(await shown(...files, "--insecure-allow-anonymous", "--insecure-skip-authorization"));
  for (const part of [
    '"tlsCertFile":"/c","tlsPrivateKeyFile":"/k"',
    '"x509":{"clientCAFile":"/ca"}',
    '"anonymous":{"enabled":true}',
    '"authorization":{"mode":"AlwaysAllow"}',
  ])
    assert.ok(found.includes(part), `${part} in ${found}`);
});
