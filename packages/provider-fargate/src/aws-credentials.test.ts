// Each kind of credentials, from services that stand in for those that give them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { credentialsOf } from "./aws-credentials.ts";
import type { CredentialsConfig } from "./credentials-config.ts";

const role = "arn:aws:iam::123456789012:role/pods";
const expiration = "2099-01-01T00:00:00Z";

/** What STS says in both cases, named by the action. */
function stsAnswer(body: string): string {
  const action = new URLSearchParams(body).get("Action") ?? "";
  const keys = `<AccessKeyId>from ${action}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`;
  const credentials = `<Credentials>${keys}<Expiration>${expiration}</Expiration></Credentials>`;
  return `<${action}Response><${action}Result>${credentials}</${action}Result></${action}Response>`;
}

const given = (from: string) => ({
  ...{ AccessKeyId: `from ${from}`, SecretAccessKey: "s", Token: "t", Expiration: expiration, Code: "Success" },
});

describe("credentials", () => {
  let directory = "";
  let endpoint = "";
  const asked: string[] = [];
  const answer = (path: string, body: string, { headers }: IncomingMessage): string => {
    if (path === "/") return stsAnswer(body);
    if (path === "/container") return JSON.stringify(given(`a container with ${headers.authorization}`));
    if (path === "/latest/api/token") return "session";
    if (path.endsWith("/security-credentials/")) return "instance-role";
    if (path.endsWith("/security-credentials/instance-role")) return JSON.stringify(given("an instance"));
    const roleCredentials = { accessKeyId: "from SSO", secretAccessKey: "s", sessionToken: "t", expiration: 4e12 };
    return JSON.stringify({ roleCredentials });
  };
  const server = createServer((request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    void text(request).then((body) => {
      asked.push(`${request.method} ${path} ${body}`);
      response.end(answer(path, body, request));
    });
  });
  let environment: NodeJS.ProcessEnv = {};

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "fargate-credentials-"));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    endpoint = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    await writeFile(join(directory, "token"), "jwt");
    await mkdir(join(directory, ".aws/sso/cache"), { recursive: true });
    const start = "https://start.test/sso";
    const cached = createHash("sha1").update(start).digest("hex");
    const token = { accessToken: "sso-token", expiresAt: expiration, startUrl: start, region: "eu-central-1" };
    await writeFile(join(directory, `.aws/sso/cache/${cached}.json`), JSON.stringify(token));
    const process_ = `printf '%s' '${JSON.stringify({ Version: 1, ...given("a process") })}'`;
    await writeFile(join(directory, "program"), `#!/bin/sh\n${process_}\n`, { mode: 0o700 });
    await writeFile(
      join(directory, "config"),
      [
        ...["[profile program]", `credential_process = ${join(directory, "program")}`, "[profile single]"],
        ...[`sso_start_url = ${start}`, "sso_region = eu-central-1", "sso_account_id = 123456789012"],
        ...["sso_role_name = pods", "[profile role]", `role_arn = ${role}`, "source_profile = keys"],
      ].join("\n"),
    );
    await writeFile(
      join(directory, "credentials"),
      "[keys]\naws_access_key_id = from a file\naws_secret_access_key = s\n",
    );
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });
  beforeEach(() => {
    asked.length = 0;
    environment = process.env;
    const files = {
      AWS_CONFIG_FILE: join(directory, "config"),
      AWS_SHARED_CREDENTIALS_FILE: join(directory, "credentials"),
    };
    process.env = { PATH: process.env["PATH"], HOME: directory, ...files };
  });
  afterEach(() => {
    process.env = environment;
  });

  async function keyOf(credentials: CredentialsConfig, env: Readonly<Record<string, string>> = {}): Promise<string> {
    Object.assign(process.env, env);
    const provider = await credentialsOf({ credentials, region: "eu-west-1", endpoints: { sts: endpoint } });
    return (await provider()).accessKeyId;
  }

  it("of a token for a role, from the configuration or as the webhook says", async () => {
    const tokenFile = join(directory, "token");
    assert.equal(
      await keyOf({ type: "webIdentity", roleARN: role, tokenFile, sessionName: "vk" }),
      "from AssumeRoleWithWebIdentity",
    );
    assert.match(asked[0] ?? "", /WebIdentityToken=jwt/);
    assert.match(asked[0] ?? "", /RoleSessionName=vk/);
    const env = { AWS_ROLE_ARN: role, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile };
    assert.equal(await keyOf({ type: "webIdentity" }, env), "from AssumeRoleWithWebIdentity");
    assert.equal(await keyOf({ type: "default" }), "from AssumeRoleWithWebIdentity");
  });

  it("of a role, by those of the environment", async () => {
    const env = { AWS_ACCESS_KEY_ID: "from the environment", AWS_SECRET_ACCESS_KEY: "s" };
    assert.equal(await keyOf({ type: "environment" }, env), "from the environment");
    assert.equal(await keyOf({ type: "assumeRole", roleARN: role, externalID: "x" }), "from AssumeRole");
    assert.match(asked[0] ?? "", /ExternalId=x/);
  });

  it("of profiles: keys, a role of other keys, a program", async () => {
    assert.equal(await keyOf({ type: "profile", profile: "keys" }), "from a file");
    assert.equal(await keyOf({ type: "profile", profile: "role" }), "from AssumeRole");
    assert.equal(await keyOf({ type: "process", profile: "program" }), "from a process");
  });

  it("of single sign-on, by its own service", async () => {
    const env = { AWS_ENDPOINT_URL_SSO: endpoint };
    assert.equal(await keyOf({ type: "sso", profile: "single" }, env), "from SSO");
    assert.match(asked[0] ?? "", /^GET \/federation\/credentials/);
  });

  it("of a container, as ECS and Pod Identity of EKS give them, and of an instance", async () => {
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/container`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(directory, "token"),
    };
    assert.equal(await keyOf({ type: "container" }, env), "from a container with jwt");
    assert.equal(
      await keyOf({ type: "instance" }, { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint }),
      "from an instance",
    );
  });
});
