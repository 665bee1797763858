import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLogger, systemClock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { Https } from "@virtual-kubelet/virtual-kubelet/cloud";
import { createAuthority } from "@virtual-kubelet/virtual-kubelet/testing";
import { type ArmBench, armBench, clientOf } from "../testing/arm-bench.ts";
import { listen } from "../testing/fake-http.ts";
import { parseAksFile, parseAuthFile } from "./azure-files.ts";
import { type Credential, credentialFromEnvironment } from "./credential.ts";
import { managedIdentity } from "./managed-identity.ts";
import { KeptToken, type TokenSource } from "./token-source.ts";

async function bench(t: TestContext): Promise<ArmBench & { readonly directory: string }> {
  const made = await armBench(t);
  const directory = await mkdtemp(join(tmpdir(), "vk-aci-credentials-"));
  t.after(() => rm(directory, { recursive: true }));
  return { ...made, directory };
}

const principal = { tenantId: "tenant", clientId: "client" } as const;

/** A call with these credentials alone. */
async function pings({ fake, call }: ArmBench, credential: Credential, env: NodeJS.ProcessEnv = {}): Promise<void> {
  await using client = clientOf(fake, { credential, env });
  await client.ping(call);
}

test("a client secret, and one in a file that is renewed", async (t) => {
  const at = await bench(t);
  await pings(at, { type: "clientSecret", ...principal, clientSecret: "the-client-secret" });
  const file = join(at.directory, "secret");
  await writeFile(file, "the-client-secret\n");
  await using client = clientOf(at.fake, {
    credential: { type: "clientSecret", ...principal, clientSecret: { file } },
  });
  await client.ping(at.call);
  at.fake.tokens.principal.secret = "another";
  at.fake.tokens.revokeAll();
  await assert.rejects(client.ping(at.call), {
    kind: "Unauthorized",
    message: /AADSTS7000215: Invalid client secret provided\.$/,
  });
  await writeFile(file, "another");
  await client.ping(at.call);
});

test("a certificate: elliptic and RSA keys sign what the token endpoint checks", async (t) => {
  const at = await bench(t);
  const issued = createAuthority("of-the-test").issue({ commonName: "client" });
  const file = join(at.directory, "client.pem");
  const credential: Credential = { type: "clientCertificate", ...principal, certificateFile: file, sendChain: true };
  await writeFile(file, issued.certificate + issued.key);
  await assert.rejects(pings(at, credential), { kind: "Unauthorized" });
  at.fake.tokens.principal.certificate = issued.certificate;
  await pings(at, credential);
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(file, issued.certificate + rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  at.fake.tokens.principal.publicKey = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
  await pings(at, credential);
  assert.deepEqual(at.fake.tokens.given, ["certificate", "certificate"]);
  await writeFile(file, issued.certificate);
  await assert.rejects(pings(at, credential), {
    kind: "Unauthorized",
    message: /must hold a certificate and its private key/,
  });
});

test("workload identity: the token in the file is read anew each time", async (t) => {
  const at = await bench(t);
  const tokenFile = join(at.directory, "token");
  const credential: Credential = { type: "workloadIdentity", ...principal, tokenFile };
  await assert.rejects(pings(at, credential), { kind: "Unauthorized", message: /cannot be read/ });
  await writeFile(tokenFile, "signed-by-the-cluster\n");
  at.fake.tokens.principal.federatedToken = "signed-by-the-cluster";
  await using client = clientOf(at.fake, { credential });
  await client.ping(at.call);
  at.fake.tokens.principal.federatedToken = "renewed";
  at.fake.tokens.revokeAll();
  await writeFile(tokenFile, "renewed");
  await client.ping(at.call);
  assert.deepEqual(at.fake.tokens.given, ["federated", "federated"]);
});

test("managed identities: of the machine, of a user, of App Service, and none", async (t) => {
  const at = await bench(t);
  const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: at.fake.metadataUrl };
  await pings(at, { type: "managedIdentity" }, env);
  await assert.rejects(pings(at, { type: "managedIdentity", clientId: "mine" }, env), {
    kind: "Unauthorized",
    message: /Identity not found/,
  });
  at.fake.tokens.identities.add("mine");
  await pings(at, { type: "managedIdentity", clientId: "mine" }, env);
  const service = {
    IDENTITY_ENDPOINT: `${at.fake.metadataUrl}/msi/token`,
    IDENTITY_HEADER: at.fake.tokens.identityHeader,
  };
  await pings(at, { type: "managedIdentity" }, service);
  assert.deepEqual(at.fake.tokens.given, ["imds", "imds", "app-service"]);
  const nowhere = { AZURE_POD_IDENTITY_AUTHORITY_HOST: "http://127.0.0.1:1", PATH: at.directory };
  await assert.rejects(pings(at, credentialFromEnvironment({}), nowhere), {
    kind: "Unauthorized",
    message: /no credentials were found: managed identity \(IMDS\): .*Azure CLI: az is not on the PATH; .*azd is not/,
  });
});

test("a machine without a metadata service has pods wait for it, not fail", async (t) => {
  const at = await bench(t);
  const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: "http://127.0.0.1:1" };
  await assert.rejects(pings(at, { type: "managedIdentity" }, env), {
    kind: "Unauthorized",
    message: "managed identity (IMDS): no metadata service answers here",
  });
});

test("Arc: the agent's own key is the proof, and no other file is read for it", async (t) => {
  const at = await bench(t);
  const key = join(at.directory, "a.key");
  await writeFile(key, "agent-secret");
  let realm = key;
  const agent = createServer((request, response) => {
    const isProven = request.headers.authorization === "Basic agent-secret";
    if (isProven) response.end(JSON.stringify({ access_token: "t", expires_in: "60" }));
    else response.writeHead(401, { "www-authenticate": `Basic realm=${realm}` }).end();
  });
  const port = await listen(agent);
  await using https = new Https();
  t.after(() => agent.close());
  const source = managedIdentity({
    identity: {},
    env: { IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/token`, IMDS_ENDPOINT: "http://127.0.0.1:1" },
    tools: { https, clock: systemClock },
    arcKeys: at.directory,
  });
  const signal = AbortSignal.timeout(300_000);
  assert.equal((await source.fetch("https://a", signal)).token, "t");
  realm = "/etc/passwd";
  await assert.rejects(source.fetch("https://a", signal), { kind: "Unauthorized", message: /not one of its keys/ });
});

test("who is signed in at az", async (t) => {
  const at = await bench(t);
  const token = at.fake.tokens.mint(at.fake.endpoints.audience);
  const answer = JSON.stringify({ accessToken: token, expires_on: Math.floor(Date.now() / 1000) + 600 });
  const az = join(at.directory, "az");
  await writeFile(az, `#!/bin/sh\n[ "$6" = "${at.fake.endpoints.audience}/.default" ] && echo '${answer}'\n`);
  await chmod(az, 0o755);
  const env = { PATH: at.directory };
  await pings(at, { type: "azureCli" }, env);
  await writeFile(az, "#!/bin/sh\necho 'Please run az login' >&2; exit 1\n");
  await assert.rejects(pings(at, { type: "azureCli" }, env), {
    kind: "Unauthorized",
    message: "az gave no token: Please run az login",
  });
});

test("tokens are shared and kept; one that is refused is fetched anew; one that still holds outlives its giver", async (t) => {
  const { client, call, fake } = await bench(t);
  await Promise.all(Array.from({ length: 10 }, () => client.ping(call)));
  assert.equal(fake.calls.get("token"), 1);
  fake.tokens.revokeAll();
  await client.ping(call);
  assert.equal(fake.calls.get("token"), 2);
  const answers = [{ token: "a", expiresAt: Date.now() + 60_000 }];
  const source: TokenSource = {
    kind: "of the test",
    fetch: async () => answers.pop() ?? Promise.reject(new VirtualKubeletError("Unavailable", "away")),
  };
  const kept = new KeptToken(source, "x", systemClock);
  assert.equal(await kept.get(call.signal), "a");
  assert.equal(await kept.get(call.signal), "a", "it is due, and nobody gives another");
  kept.refused("a");
  await assert.rejects(kept.get(call.signal), { kind: "Unavailable" });
});

test("credentials whose tokens have expired are refused until they are renewed", async (t) => {
  const { client, call, fake } = await bench(t);
  fake.tokens.lifetime = 0;
  await assert.rejects(client.ping(call), { kind: "Unauthorized", reason: "ExpiredAuthenticationToken" });
  assert.equal(fake.calls.get("token"), 2, "one more try with another token");
  fake.tokens.lifetime = 3600;
  await client.ping(call);
});

test("the environment chooses as the vendor's library does", () => {
  const ids = { AZURE_CLIENT_ID: "c", AZURE_TENANT_ID: "t" };
  assert.deepEqual(credentialFromEnvironment({ ...ids, AZURE_CLIENT_SECRET: "s", AZURE_FEDERATED_TOKEN_FILE: "f" }), {
    type: "clientSecret",
    tenantId: "t",
    clientId: "c",
    clientSecret: "s",
  });
  assert.equal(credentialFromEnvironment({ ...ids, AZURE_CLIENT_CERTIFICATE_PATH: "p" }).type, "clientCertificate");
  assert.equal(credentialFromEnvironment({ ...ids, AZURE_FEDERATED_TOKEN_FILE: "f" }).type, "workloadIdentity");
  const other = credentialFromEnvironment({ VIRTUALNODE_USER_IDENTITY_CLIENTID: "u", AZURE_CLIENT_ID: "" });
  assert.deepEqual(other.type === "firstOf" ? other.credentials[0] : other, { type: "managedIdentity", clientId: "u" });
});

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test("azure.json of AKS: a service principal, or msi; the auth file: UTF-8 and UTF-16", () => {
  const aks = {
    cloud: "AZUREUSGovernmentCloud",
    tenantId: "t",
    subscriptionId: "s",
    resourceGroup: "g",
    location: "l",
    vnetName: "v",
  };
  const file = parseAksFile(bytes({ ...aks, aadClientId: "c", aadClientSecret: "x", useless: 1 }), "azure.json");
  assert.deepEqual(file.credential, { type: "clientSecret", tenantId: "t", clientId: "c", clientSecret: "x" });
  assert.equal(file.cloud, "AzureUSGovernmentCloud");
  const msi = parseAksFile(
    bytes({ ...aks, aadClientId: "msi", aadClientSecret: "msi", userAssignedIdentityID: "u" }),
    "a",
  );
  assert.deepEqual(msi.credential, { type: "managedIdentity", clientId: "u" });
  assert.throws(() => parseAksFile(bytes({ cloud: "Moon" }), "azure.json"), {
    kind: "Invalid",
    field: "cloud",
    message: /Moon: must be AzurePublicCloud/,
  });
  const auth = JSON.stringify({ clientId: "c", clientSecret: "geheim-ü", subscriptionId: "s", tenantId: "t" });
  const little = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(auth, "utf16le")]);
  const big = Buffer.from(little).swap16();
  for (const each of [
    Buffer.from(auth),
    Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(auth)]),
    little,
    big,
  ])
    assert.deepEqual(parseAuthFile(each, "auth.json").credential, {
      type: "clientSecret",
      tenantId: "t",
      clientId: "c",
      clientSecret: "geheim-ü",
    });
  assert.throws(
    () => parseAuthFile(Buffer.from('{"clientSecret":"geheim"'), "auth.json"),
    (error: unknown) => error instanceof Error && !error.message.includes("geheim"),
  );
  assert.throws(() => parseAuthFile(bytes({ clientId: 1 }), "auth.json"), { kind: "Invalid", field: "clientId" });
});

test("no secret is in a message or in the client's log", async (t) => {
  const at = await bench(t);
  const credential: Credential = { type: "clientSecret", ...principal, clientSecret: "wrong-secret" };
  await assert.rejects(
    pings({ ...at, call: { ...at.call, log: silentLogger } }, credential),
    (error: unknown) => !JSON.stringify([String(error), error]).includes("wrong-secret"),
  );
});
