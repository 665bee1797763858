import "reflect-metadata";
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { startDevCluster } from "../dev-cluster.ts";
import { list, text } from "../json.ts";
import { ApiCaller, eventually } from "../testing/api-caller.ts";

test("a node gets a certificate for itself, not for an administrator or another node", async () => {
  await using cluster = await startDevCluster();
  const node = "system:node:a";
  const administrator = new ApiCaller(cluster);
  const rule = { apiGroups: ["certificates.k8s.io"], resources: ["certificatesigningrequests"], verbs: ["*"] };
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  await administrator.post(`${rbac}/clusterroles`, { metadata: { name: "csr" }, rules: [rule] });
  await administrator.post(`${rbac}/clusterrolebindings`, {
    metadata: { name: "csr" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "csr" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:nodes" }],
  });
  const caller = new ApiCaller(cluster, await cluster.kubeconfigFor(node, ["system:nodes"]));
  const path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  const signingAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const outcome = async (name: string, subject: string): Promise<string> => {
    const request = await Pkcs10CertificateRequestGenerator.create({ name: subject, keys, signingAlgorithm });
    const made = await caller.post(path, {
      metadata: { name },
      spec: {
        request: Buffer.from(request.toString("pem")).toString("base64"),
        signerName: "kubernetes.io/kube-apiserver-client-kubelet",
        usages: ["digital signature", "client auth"],
      },
    });
    assert.equal(made.code, 201);
    return eventually(name, async () => {
      const { body } = await administrator.get(`${path}/${name}`);
      if (text(body, "status", "certificate") !== "") return "issued";
      return list(body, "status", "conditions").some((each) => text(each, "type") === "Failed") ? "failed" : undefined;
    });
  };
  assert.equal(await outcome("own", `O=system:nodes,CN=${node}`), "issued");
  assert.equal(await outcome("administrator", "O=system:masters,CN=admin"), "failed");
  assert.equal(await outcome("other", "O=system:nodes,CN=system:node:b"), "failed");
});
