// The vendor's SDK and identity library for Python drive the fake of Azure Resource Manager: independent clients, which take its
// answers for the cloud's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Credential } from "../packages/provider-aci/src/credentials/credential.ts";
import { clientOf } from "../packages/provider-aci/src/testing/arm-bench.ts";
import { FakeArm } from "../packages/provider-aci/src/testing/fake-arm.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { findPython } from "./python-peers.ts";

test("the SDK for Python makes, watches, lists, tags and removes a group of the fake", async (t) => {
  const python = await findPython("azure-sdk");
  const fake = await FakeArm.start({ runner: new MemoryGroups() });
  const directory = await mkdtemp(join(tmpdir(), "vk-aci-python-"));
  t.after(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const ca = join(directory, "ca.pem");
  await writeFile(ca, fake.ca);
  const program = join(import.meta.dirname, "peers/azure-sdk/drive.py");
  const args = [program, fake.url, fake.subscription, fake.tokens.mint(fake.endpoints.audience)];
  const { stdout } = await promisify(execFile)(python, args, {
    env: { ...process.env, REQUESTS_CA_BUNDLE: ca },
    timeout: 300_000,
  });
  const seen: unknown = JSON.parse(stdout);
  assert.deepEqual(seen, {
    provisioningState: "Succeeded",
    state: "Terminated",
    exitCode: 3,
    finished: new Date().getUTCFullYear(),
    secure: null,
    listed: ["python"],
    logs: "web env=1\n",
    usage: ["ContainerGroups", "StandardCores"],
    capabilities: 3,
    tags: { by: "nobody" },
    refused: "InvalidRequestContent",
    gone: "ResourceNotFound",
  });
  assert.deepEqual(fake.problems, ["request of create: properties.osType: Minix is none of Windows, Linux"]);
});

test("the identity library for Python gets tokens of all kinds from the fake that our own client gets them from", async (t) => {
  const python = await findPython("azure-sdk");
  const fake = await FakeArm.start({ runner: new MemoryGroups() });
  const directory = await mkdtemp(join(tmpdir(), "vk-aci-python-"));
  t.after(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const at = (name: string): string => join(directory, name);
  const subject = ["-subj", "/CN=client", "-days", "2", "-nodes", "-keyout", at("key.pem"), "-out", at("cert.pem")];
  await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "rsa:2048", ...subject]);
  const certificate = await readFile(at("cert.pem"), "utf8");
  await writeFile(at("client.pem"), certificate + (await readFile(at("key.pem"), "utf8")));
  await writeFile(at("token"), "signed-by-the-cluster");
  await writeFile(at("ca.pem"), fake.ca);
  const { principal } = fake.tokens;
  Object.assign(principal, { certificate, federatedToken: "signed-by-the-cluster" });
  const { authority, audience } = fake.endpoints;
  const program = join(import.meta.dirname, "peers/azure-sdk/login.py");
  const args = [program, authority, audience, at("client.pem"), at("token"), fake.metadataUrl];
  const { stdout } = await promisify(execFile)(python, args, {
    env: { ...process.env, REQUESTS_CA_BUNDLE: at("ca.pem") },
    timeout: 300_000,
  });
  const tokens: Readonly<Record<string, string>> = JSON.parse(stdout);
  assert.deepEqual(fake.tokens.given, ["secret", "certificate", "federated", "imds"]);
  for (const token of Object.values(tokens)) fake.tokens.check(`Bearer ${token}`, audience);
  fake.tokens.given.length = 0;
  const ids = { tenantId: principal.tenantId, clientId: principal.clientId };
  const ours: readonly Credential[] = [
    { type: "clientSecret", ...ids, clientSecret: "the-client-secret" },
    { type: "clientCertificate", ...ids, certificateFile: at("client.pem") },
    { type: "workloadIdentity", ...ids, tokenFile: at("token") },
    { type: "managedIdentity" },
  ];
  for (const credential of ours) {
    await using client = clientOf(fake, {
      credential,
      env: { AZURE_POD_IDENTITY_AUTHORITY_HOST: fake.metadataUrl },
    });
    await client.ping({ signal: AbortSignal.timeout(120_000), log: silentLogger });
  }
  assert.deepEqual(fake.tokens.given, ["secret", "certificate", "federated", "imds"]);
});
