// Which kubelets are spoken to, by the certificates that they show.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Authority, type KeyPair } from "./certificates.ts";
import { startDevCluster } from "./dev-cluster.ts";
import { text } from "./json.ts";
import { ApiCaller } from "./testing/api-caller.ts";

const usages = ["server"] as const;
const issued = (by: Authority, ipAddresses: readonly string[] = ["127.0.0.1"]): Promise<KeyPair> =>
  by.issue({ user: "system:node:n", groups: ["system:nodes"], usages, ipAddresses }, Date.now());

/** Code and message of the API, for kubelets that show these. */
async function answers(option: "default" | "authority", shown: readonly KeyPair[]): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-proxy-test-"));
  const own = join(directory, "authority.crt");
  try {
    await writeFile(own, authority.certificate);
    await using cluster = await startDevCluster({
      controllers: false,
      ...(option === "default" ? {} : { kubeletCertificateAuthority: own }),
    });
    const api = new ApiCaller(cluster);
    const found: string[] = [];
    for (const [index, { certificate, key }] of shown.entries()) {
      const kubelet = createServer({ cert: certificate, key }, (_, response) => void response.end("fine"));
      kubelet.listen(0, "127.0.0.1");
      await once(kubelet, "listening");
      const address = kubelet.address();
      assert.ok(typeof address === "object" && address !== null);
      await api.post("/api/v1/nodes", {
        metadata: { name: `n${index}` },
        status: {
          addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
          daemonEndpoints: { kubeletEndpoint: { Port: address.port } },
        },
      });
      const { code, body } = await api.get(`/api/v1/nodes/n${index}/proxy/healthz`);
      found.push(`${code} ${text(body, "text") || text(body, "message").replace(/^.*: tls: /, "tls: ")}`);
      kubelet.close();
    }
    return found;
  } finally {
    await rm(directory, { recursive: true });
  }
}

const authority = await Authority.make(Date.now());
const selfSigned: KeyPair = { certificate: authority.certificate, key: authority.key };
const other = await Authority.make(Date.now());

test("self-signed kubelets are spoken to, those of unknown authorities are not", async () => {
  assert.deepEqual(await answers("default", [selfSigned, await issued(other)]), [
    "200 fine",
    "500 tls: failed to verify certificate: UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ]);
});

test("with an authority for kubelets, only those that it signed for, for the address that they are at", async () => {
  const shown = [await issued(authority), await issued(authority, ["10.0.0.1"]), await issued(other)];
  const [good, misplaced, foreign] = await answers("authority", shown);
  assert.deepEqual(
    [good, foreign],
    ["200 fine", "500 tls: failed to verify certificate: UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  );
  assert.equal(misplaced, "500 tls: failed to verify certificate: ERR_TLS_CERT_ALTNAME_INVALID");
});
