// Keys by what is configured: from variables and files, by a token for a role (RRSA), by another role, and by the role of the machine. The
// vendor's library speaks HTTPS to the token service, so it runs in a process that trusts an authority of ours.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { errorText, isErrorKind, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority } from "@virtual-kubelet/virtual-kubelet/testing";
import type { CredentialsConfig } from "../credentials-config.ts";
import type { Keys } from "./acs-request.ts";
import { keySource } from "./credentials.ts";

const context = { signal: new AbortController().signal, log: silentLogger };
const asked: { readonly path: string; readonly form: URLSearchParams }[] = [];
let directory = "";
let stsEndpoint = "";
let metadataPort = 0;
let refusal: string | undefined;
const end: (() => void)[] = [];

const session = { AccessKeyId: "STS.id", AccessKeySecret: "sts-secret", SecurityToken: "sts-token" };
const Expiration = "2099-01-01T00:00:00Z";

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-eci-keys-"));
  const authority = createAuthority("token-service-ca");
  const { certificate, key } = authority.issue({ commonName: "sts", ipAddresses: ["127.0.0.1"] });
  await writeFile(join(directory, "ca.pem"), authority.certificate);
  await writeFile(join(directory, "token"), "service-account-token");
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push({ path: request.url ?? "", form: new URLSearchParams(await text(request)) });
    if (refusal === undefined) response.end(JSON.stringify({ Credentials: { ...session, Expiration } }));
    else response.writeHead(400).end(refusal);
  };
  const sts = createServer({ cert: certificate, key }, (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const metadata = createPlainServer((request, response) => {
    const path = request.url ?? "";
    asked.push({ path: `${request.method} ${path}`, form: new URLSearchParams() });
    if (path.endsWith("/api/token")) response.end("metadata-token");
    else if (path.endsWith("/security-credentials/")) response.end("node-role");
    else response.end(JSON.stringify({ ...session, Expiration, Code: "Success" }));
  });
  for (const server of [sts, metadata]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    end.push(() => server.close());
  }
  const port = (address: AddressInfo | string | null): number =>
    typeof address === "object" ? (address?.port ?? 0) : 0;
  stsEndpoint = `127.0.0.1:${port(sts.address())}`;
  metadataPort = port(metadata.address());
});
after(async () => {
  for (const close of end) close();
  await rm(directory, { recursive: true, force: true });
});

/** In a process of its own. What it throws is its answer, too. */
async function keysOf(config: CredentialsConfig, env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const script = `
    import http from "node:http";
    const direct = http.Agent.prototype.createConnection;
    // Where a machine of the cloud has its metadata.
    http.Agent.prototype.createConnection = function (options, done) {
      const own = options.host === "100.100.100.200" ? { ...options, host: "127.0.0.1", port: ${metadataPort} } : options;
      return direct.call(this, own, done);
    };
    const { keySource } = await import(${JSON.stringify(join(import.meta.dirname, "credentials.ts"))});
    const source = keySource(${JSON.stringify(config)}, { env: process.env, region: "cn-hangzhou", read: async () => "" });
    const context = { signal: new AbortController().signal };
    try {
      console.log(JSON.stringify(await source.keys(context)));
    } catch (error) {
      console.log(JSON.stringify({ kind: error.kind, message: error.message }));
    }`;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(
    process.execPath,
    [...process.execArgv.filter((flag) => flag.startsWith("--conditions")), "--input-type=module", "-e", script],
    { env: { PATH: process.env["PATH"], NODE_EXTRA_CA_CERTS: join(directory, "ca.pem"), HOME: directory, ...env } },
    (error, stdout) => (error === null ? resolve(stdout) : reject(error)),
  );
  return JSON.parse(await promise);
}

const given: Keys = { accessKeyId: "STS.id", accessKeySecret: "sts-secret", securityToken: "sts-token" };

describe("keys", () => {
  it("come by a ServiceAccount's token for a role, as its variables say", async () => {
    asked.length = 0;
    const found = await keysOf(
      { type: "oidc", stsEndpoint },
      {
        ALIBABA_CLOUD_ROLE_ARN: "acs:ram::1:role/vk",
        ALIBABA_CLOUD_OIDC_PROVIDER_ARN: "acs:ram::1:oidc-provider/cluster",
        ALIBABA_CLOUD_OIDC_TOKEN_FILE: join(directory, "token"),
      },
    );
    assert.deepEqual(found, given);
    const [{ path, form } = { path: "", form: new URLSearchParams() }] = asked;
    assert.match(path, /Action=AssumeRoleWithOIDC/);
    assert.ok(!path.includes("service-account-token"), "the token is in no URL");
    assert.deepEqual(
      [form.get("OIDCToken"), form.get("RoleArn"), form.get("OIDCProviderArn"), form.get("RoleSessionName")],
      ["service-account-token", "acs:ram::1:role/vk", "acs:ram::1:oidc-provider/cluster", "virtual-kubelet"],
    );
  });

  it("come by another role, which keys of variables may take", async () => {
    const found = await keysOf(
      { type: "assumeRole", roleARN: "acs:ram::1:role/vk", externalID: "external", stsEndpoint },
      { ALIBABA_CLOUD_ACCESS_KEY_ID: "LTAIenv", ALIBABA_CLOUD_ACCESS_KEY_SECRET: "env-secret" },
    );
    assert.deepEqual(found, given);
  });

  it("come by the role of the machine, by the hardened metadata service alone", async () => {
    asked.length = 0;
    assert.deepEqual(await keysOf({ type: "instance" }), given);
    assert.deepEqual(asked[0]?.path, "PUT /latest/api/token");
    assert.ok(asked.some(({ path }) => path.endsWith("/security-credentials/node-role")));
  });

  it("come by variables: the vendor's, with a token too, or those of the Go provider before them", async () => {
    const env = {
      ...{ ALIBABA_CLOUD_ACCESS_KEY_ID: "LTAIenv", ALIBABA_CLOUD_ACCESS_KEY_SECRET: "env-secret" },
      ALIBABA_CLOUD_SECURITY_TOKEN: "env-token",
    };
    const vendor = { accessKeyId: "LTAIenv", accessKeySecret: "env-secret", securityToken: "env-token" };
    assert.deepEqual(await keysOf({ type: "default" }, env), vendor);
    const go = { ECI_ACCESS_KEY: "LTAIgo", ECI_SECRET_KEY: "go-secret" };
    assert.deepEqual(await keysOf({ type: "default" }, { ...env, ...go }), {
      ...{ accessKeyId: "LTAIgo", accessKeySecret: "go-secret" },
    });
  });

  it("that are refused are told of without what anybody answered", async () => {
    refusal = '{"Code": "AuthenticationFail", "Message": "service-account-token is no token"}';
    try {
      const found = await keysOf({
        ...{ type: "oidc", stsEndpoint, tokenFile: join(directory, "token"), roleARN: "acs:ram::1:role/vk" },
        providerARN: "acs:ram::1:oidc-provider/cluster",
      });
      assert.deepEqual(found, {
        ...{ kind: "Unauthorized", message: "credentials: get sts token failed with OIDC (credentials: oidc)" },
      });
    } finally {
      refusal = undefined;
    }
  });
});

describe("keys in files", () => {
  it("are read again once they were refused", async () => {
    const files: Record<string, string> = { id: "STS.one\n", secret: "one\n", token: "token-one\n" };
    const config = { type: "sts", accessKeyIDFile: "id", secretFile: "secret", tokenFile: "token" } as const;
    const source = keySource(config, { env: {}, region: "cn-hangzhou", read: async (path) => files[path] ?? "" });
    const one = { accessKeyId: "STS.one", accessKeySecret: "one", securityToken: "token-one" };
    assert.deepEqual(await source.keys(context), one);
    Object.assign(files, { id: "STS.two", secret: "two", token: "token-two" });
    assert.deepEqual(await source.keys(context), one, "as long as they do");
    source.refused();
    assert.equal((await source.keys(context)).accessKeyId, "STS.two");
  });

  it("that are not there are a fault of the configuration, each time", async () => {
    const source = keySource(
      { type: "accessKey", accessKeyID: "LTAI", secretFile: "missing" },
      { env: {}, region: "cn-hangzhou", read: async () => "" },
    );
    for (let time = 0; time < 2; time += 1)
      await assert.rejects(source.keys(context), (error) => {
        assert.match(errorText(error), /^credentials: .* \(credentials: accessKey\)$/);
        return isErrorKind(error, "Unauthorized");
      });
  });
});
