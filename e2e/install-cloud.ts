// The chart's examples of clouds, installed with the image that each names: in the place of the cloud is its fake, which the program gets
// into by the token that the chart projects, and pods run there.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { FakeArm } from "../packages/provider-aci/src/testing/fake-arm.ts";
import { listen } from "../packages/provider-aci/src/testing/fake-http.ts";
import { FakeEci } from "../packages/provider-eci/src/testing/fake-eci.ts";
import { FakeEcs } from "../packages/provider-fargate/src/testing/fake-ecs.ts";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { createAuthority } from "../packages/virtual-kubelet/src/testing/pki.ts";
import { chart, Helm } from "./chart-tools.ts";
import { eventually, type Harness, isRunning, podObject } from "./harness.ts";
import { here, situation } from "./install-walk.ts";
import type { PodmanBench } from "./podman.ts";

/** What a fake has to be told of an example, and an example of a fake. */
export interface FakeCloud extends AsyncDisposable {
  readonly provider: "aci" | "fargate" | "eci";
  /** Of the provider, in place of what the example says. */
  readonly config: object;
  /** Of the chart. */
  readonly values: object;
  readonly env?: readonly object[];
  /** Tokens of the cluster that the fake was shown. */
  readonly tokens: readonly string[];
  /** Groups in its books. */
  groups(): number;
}

interface Example {
  readonly workloadIdentity: {
    readonly azure?: { readonly clientID: string; readonly tenantID: string };
    readonly aws?: { readonly roleARN: string };
    readonly alibabaCloud?: { readonly roleARN: string; readonly oidcProviderARN: string };
  };
  readonly instances: readonly [
    {
      readonly name: string;
      readonly config: { readonly nodes: readonly [{ readonly name: string; readonly provider: ExampleProvider }] };
    },
  ];
}
interface ExampleProvider {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

async function exampleOf(provider: FakeCloud["provider"]): Promise<Example> {
  return parse(await readFile(join(chart, "examples", `${provider}.yaml`), "utf8"));
}

/** Whom and what a token of a ServiceAccount is for. */
function claimsOf(token: string): { readonly sub: string; readonly aud: readonly string[] } {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

export async function startFakeAzure({ directory }: PodmanBench): Promise<FakeCloud> {
  const { workloadIdentity, instances } = await exampleOf("aci");
  const { clientID = "", tenantID = "" } = workloadIdentity.azure ?? {};
  const tokens: string[] = [];
  const principal = {
    clientId: clientID,
    tenantId: tenantID,
    federatedToken: (token: string) => tokens.push(token) > 0,
  };
  const { resourceGroup } = instances[0].config.nodes[0].provider.config;
  const resourceGroups = [String(resourceGroup), "cluster"];
  const runner = new MemoryGroups();
  const fake = await FakeArm.start({ runner, principal, resourceGroups });
  const authority = join(directory, "azure");
  await mkdir(authority);
  await writeFile(join(authority, "ca.pem"), fake.ca);
  const { resourceManager, authority: login } = fake.endpoints;
  return {
    provider: "aci",
    config: {
      subscription: fake.subscription,
      endpoints: { resourceManager, authority: login, caFile: "/azure/ca.pem" },
    },
    values: {
      volumes: [{ name: "azure", hostPath: { path: authority } }],
      volumeMounts: [{ name: "azure", mountPath: "/azure" }],
    },
    tokens,
    groups: () => fake.groups.all.length,
    async [Symbol.asyncDispose]() {
      await using _ = runner;
      await fake[Symbol.asyncDispose]();
      assert.deepEqual(fake.problems, []);
    },
  };
}

export async function startFakeAws(): Promise<FakeCloud> {
  const { workloadIdentity } = await exampleOf("fargate");
  const runner = new MemoryGroups();
  const fake = await FakeEcs.start({ runner, clusters: ["virtual-kubelet"], logGroups: ["/virtual-kubelet/pods"] });
  const keys = { accessKeyId: "ASIAFAKE", secretAccessKey: "fake-secret", sessionToken: "fake-session" };
  fake.credentials.splice(0, fake.credentials.length, keys);
  const tokens: string[] = [];
  const sts = createServer((request, response) => {
    text(request).then(
      (body) => {
        const form = new URLSearchParams(body);
        const isRight =
          form.get("Action") === "AssumeRoleWithWebIdentity" && form.get("RoleArn") === workloadIdentity.aws?.roleARN;
        tokens.push(form.get("WebIdentityToken") ?? "");
        const expiration = new Date(Date.now() + 3_600_000).toISOString();
        const given = `<AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey><SessionToken>${keys.sessionToken}</SessionToken><Expiration>${expiration}</Expiration>`;
        const action = "AssumeRoleWithWebIdentity";
        response
          .writeHead(isRight ? 200 : 403, { "content-type": "text/xml" })
          .end(
            `<${action}Response><${action}Result><Credentials>${given}</Credentials></${action}Result></${action}Response>`,
          );
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  const port = await listen(sts);
  const { endpoint: at } = fake;
  return {
    provider: "fargate",
    config: {
      endpoints: { ecs: at, logs: at, secretsManager: at, cloudWatch: at, sqs: at, sts: `http://127.0.0.1:${port}` },
    },
    values: {},
    tokens,
    groups: () => fake.books.filter(({ live }) => live).length,
    async [Symbol.asyncDispose]() {
      sts.close();
      sts.closeAllConnections();
      await using _ = runner;
      await fake[Symbol.asyncDispose]();
      assert.deepEqual(fake.misuse, []);
    },
  };
}

/** The vendor's library speaks HTTPS to the token service: the program is told of an authority. */
export async function startFakeAlibaba({ directory }: PodmanBench): Promise<FakeCloud> {
  const { workloadIdentity } = await exampleOf("eci");
  const { roleARN, oidcProviderARN } = workloadIdentity.alibabaCloud ?? {};
  const runner = new MemoryGroups();
  const fake = await FakeEci.start({ runner });
  const keys = { accessKeyId: "STS.fake", accessKeySecret: "fake-secret", securityToken: "fake-token" };
  fake.keys.splice(0, fake.keys.length, keys);
  const authority = createAuthority("fake-sts-ca");
  const { certificate, key } = authority.issue({ commonName: "fake-sts", ipAddresses: ["127.0.0.1"] });
  const tokens: string[] = [];
  const sts = createSecureServer({ cert: certificate, key }, (request, response) => {
    text(request).then(
      (body) => {
        const form = new URLSearchParams(body);
        const isRight = form.get("RoleArn") === roleARN && form.get("OIDCProviderArn") === oidcProviderARN;
        tokens.push(form.get("OIDCToken") ?? "");
        const { accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret, securityToken: SecurityToken } = keys;
        const Expiration = new Date(Date.now() + 3_600_000).toISOString();
        const Credentials = { AccessKeyId, AccessKeySecret, SecurityToken, Expiration };
        response.writeHead(isRight ? 200 : 403).end(JSON.stringify({ Credentials }));
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  const port = await listen(sts);
  const trusted = join(directory, "alibaba");
  await mkdir(trusted);
  await writeFile(join(trusted, "ca.pem"), authority.certificate + fake.ca);
  return {
    provider: "eci",
    config: {
      ...{ region: fake.region, endpoint: fake.url, caFile: "/alibaba/ca.pem" },
      credentials: { type: "oidc", stsEndpoint: `127.0.0.1:${port}` },
    },
    env: [{ name: "NODE_EXTRA_CA_CERTS", value: "/alibaba/ca.pem" }],
    values: {
      volumes: [{ name: "alibaba", hostPath: { path: trusted } }],
      volumeMounts: [{ name: "alibaba", mountPath: "/alibaba" }],
    },
    tokens,
    groups: () => fake.groups.all.length,
    async [Symbol.asyncDispose]() {
      sts.close();
      sts.closeAllConnections();
      await using _ = runner;
      await fake[Symbol.asyncDispose]();
      assert.deepEqual(fake.problems, []);
    },
  };
}

/**
 * Installs the chart with the cloud's example, has a pod run there, and takes all of it away. `walkInstallation` has been before.
 * `image`: with the provider.
 */
export async function walkCloud(
  { harness, podman, image }: { readonly harness: Harness; readonly podman: PodmanBench; readonly image: string },
  cloud: FakeCloud,
  audience: string,
): Promise<void> {
  const { provider } = cloud;
  const repository = `registry.example.com/virtual-kubelet-${provider}`;
  await podman.podman("tag", image, `${repository}:example`);
  const example = await exampleOf(provider);
  const [instance] = example.instances;
  const [node] = instance.config.nodes;
  const config = { ...node.provider.config, ...cloud.config };
  const nodes = [{ ...node, provider: { ...node.provider, config } }];
  const values = {
    ...example,
    ...cloud.values,
    image: { repository, tag: "example" },
    workloadIdentity: { ...example.workloadIdentity, projectToken: true },
    instances: [{ ...instance, config: { ...instance.config, nodes } }],
  };
  await using helm = await Helm.find();
  const machine = await here(harness);
  const env = [...machine.env, ...(cloud.env ?? [])];
  const files = [await helm.values(values), await helm.values({ ...machine, env })];
  const cluster = ["--namespace", provider, "--kubeconfig", harness.cluster.kubeconfig];
  const valueFlags = files.flatMap((file) => ["--values", file]);
  await helm.done("install", "vk", chart, "--create-namespace", ...valueFlags, ...cluster);
  try {
    await harness.nodeIsReady(node.name);
    const containers = [{ name: "main", image: "runs" }];
    const name = `on-${provider}`;
    const spec = { nodeName: node.name, terminationGracePeriodSeconds: 0, containers };
    await harness.apply(podObject(name, { spec }));
    await harness.untilPod("runs", name, 30_000, isRunning);
    assert.equal(cloud.groups(), 1);
    await eventually("its log", 15_000, async () => (await harness.kubectl("logs", name)) !== "");
    await harness.kubectl("delete", "pod", name);
    await eventually("nothing in the books", 15_000, () => cloud.groups() === 0);
    const sub = `system:serviceaccount:${provider}:vk-virtual-kubelet-${instance.name}`;
    assert.ok(cloud.tokens.length > 0);
    for (const token of cloud.tokens) assert.partialDeepStrictEqual(claimsOf(token), { sub, aud: [audience] });
  } catch (error) {
    throw new Error(`${String(error)}\n${await situation(harness, provider)}`);
  }
  await helm.done("uninstall", "vk", ...cluster);
  await eventually("no pod is left", 40_000, async () => (await harness.list(pods, undefined, provider)).length === 0);
}
