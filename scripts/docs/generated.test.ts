// What is generated of the docs is what the code says, and what the code says of providers is what they are.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as aci from "../../packages/provider-aci/src/index.ts";
import * as eci from "../../packages/provider-eci/src/index.ts";
import * as fargate from "../../packages/provider-fargate/src/index.ts";
import * as nomad from "../../packages/provider-nomad/src/index.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";
import { optionalMethods } from "../../packages/virtual-kubelet/src/program/load-provider.ts";
import type { Capabilities } from "../../packages/virtual-kubelet/src/provider/capabilities.ts";
import type { Provider, ProviderDescription, ProviderInit } from "../../packages/virtual-kubelet/src/provider.ts";
import * as mock from "../../packages/virtual-kubelet/src/providers/mock/mock-provider.ts";
import * as process from "../../packages/virtual-kubelet/src/providers/process/process-provider.ts";
import { providersPage } from "./providers-page.ts";
import { withRoutes } from "./routes-page.ts";

const docs = join(import.meta.dirname, "../../docs");
const howto = "run: node --conditions=source scripts/generate-docs.ts";

test("docs/providers.md is up to date", async () => {
  assert.equal(await readFile(join(docs, "providers.md"), "utf8"), await providersPage(), howto);
});

test("the table of routes in docs/kubelet-api.md is up to date", async () => {
  const page = await readFile(join(docs, "kubelet-api.md"), "utf8");
  assert.equal(page, withRoutes(page), howto);
});

const init: ProviderInit = {
  ...{ node: "vk", operatingSystem: "linux", cluster: "test", clusterDomain: "cluster.local" },
  ...{ daemonEndpointPort: 0, log: silentLogger },
};
const context = { signal: AbortSignal.timeout(20_000), log: silentLogger };

/** Capabilities and methods are told as they then are. */
function assertAsDescribed(provider: Provider, description: ProviderDescription): void {
  // How soon it shows what was made is for the core alone.
  const said = ({ consistencyDelaySeconds: _, ...capabilities }: Capabilities = {}): object => capabilities;
  assert.deepEqual(said(provider.capabilities), said(description.capabilities));
  const has = Object.keys(optionalMethods).filter((method) => Reflect.get(provider, method) !== undefined);
  assert.deepEqual([...(description.methods ?? [])].sort(), has.sort());
}

test("the mock is as it describes itself", async () => {
  const provider = await mock.createProvider(init, context);
  assertAsDescribed(provider, await mock.describeProvider(init));
  await provider[Symbol.asyncDispose]?.();
});

test("the process provider is as it describes itself", async () => {
  const directory = await mkdtemp(join(tmpdir(), "docs-process-"));
  try {
    const own = { ...init, config: { stateDirectory: directory, isolation: "none", cgroups: "off" } };
    const provider = await process.createProvider(own, context);
    assertAsDescribed(provider, await process.describeProvider(own));
    await provider[Symbol.asyncDispose]?.();
  } finally {
    await rm(directory, { recursive: true });
  }
});

const network = { subnets: ["subnet-0123abcd"] };
const executionRoleARN = "arn:aws:iam::123456789012:role/execution";
const clouds = [
  [
    "aci",
    aci,
    {
      ...{ subscription: "00000000-0000-0000-0000-000000000000", resourceGroup: "pods", region: "westeurope" },
      credentials: { type: "managedIdentity" },
    },
  ],
  ["fargate", fargate, { region: "eu-west-1", network, stats: false }],
  [
    "fargate, with all of it",
    fargate,
    {
      ...{ region: "eu-west-1", network, executionRoleARN, logs: { group: "/pods" }, helperImage: "busybox" },
      taskRoles: { default: "arn:aws:iam::123456789012:role/pods" },
    },
  ],
  ["nomad", nomad, { address: "http://127.0.0.1:4646" }],
  ["eci", eci, { region: "cn-hangzhou", network: { vSwitches: ["vsw-0123abcd"], securityGroup: "sg-0123abcd" } }],
] as const;
for (const [title, { createProvider, describeProvider }, config] of clouds)
  test(`the provider ${title} is as it describes itself`, async () => {
    const provider = await createProvider({ ...init, config }, context);
    assertAsDescribed(provider, await describeProvider({ ...init, config }));
    await provider[Symbol.asyncDispose]?.();
  });
