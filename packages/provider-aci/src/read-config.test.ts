// The configuration from each of its sources: what goes before what, and that all faults are told at once.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { AciConfig } from "./config.ts";
import { accountSettings, credentialOf } from "./credentials-source.ts";
import type { Environment } from "./go-config.ts";
import { readAciConfig } from "./read-config.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-aci-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const subscription = "00000000-1111-2222-3333-444444444444";
const other = "99999999-1111-2222-3333-444444444444";

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

function read(env: Environment, path?: string, object?: unknown, operatingSystem = "linux"): Promise<AciConfig> {
  return readAciConfig({ path, object, env, operatingSystem, account: accountSettings });
}

const variables = { AZURE_SUBSCRIPTION_ID: subscription, ACI_RESOURCE_GROUP: "pods", ACI_REGION: "westeurope" };
const aks = {
  ...{ cloud: "AzureChinaCloud", tenantId: "t", subscriptionId: other, aadClientId: "msi", aadClientSecret: "msi" },
  ...{ resourceGroup: "cluster", location: "chinaeast", vnetName: "net", vnetResourceGroup: "nets" },
  userAssignedIdentityID: "user",
};

describe("the Go provider's configuration", () => {
  it("by variables alone: its capacity, its public addresses, its way with what cannot be kept", async () => {
    const config = await read(variables);
    assert.deepEqual(config.capacity, { cpu: "10000", memory: "4Ti", pods: "5000" });
    assert.equal(config.network.publicIP, true);
    assert.equal(config.network.subnet, undefined);
    assert.equal(config.unenforcedSecurity, "warn");
  });

  it("by its file: the capacity in it counts; variables go before it", async () => {
    const path = await file(
      "go.toml",
      'ResourceGroup = "a"\nRegion = "westus"\nCPU = "20"\nMemory = "100Gi"\nPods = "20"\nSubnetName = "vn"\nSubnetCIDR = "10.241.0.0/16"\n',
    );
    const env = { AZURE_SUBSCRIPTION_ID: subscription, ACI_REGION: "eastus", ACI_VNET_NAME: "v", ACI_QUOTA_POD: "9" };
    const config = await read(env, path);
    assert.equal(config.resourceGroup, "a");
    assert.equal(config.region, "eastus");
    assert.deepEqual(config.capacity, { cpu: "20", memory: "100Gi", pods: "9" });
    assert.deepEqual(config.network.subnet, {
      ...{ subscription, resourceGroup: "a", virtualNetwork: "v", name: "vn", cidr: "10.241.0.0/16" },
    });
    assert.equal(config.network.publicIP, false);
  });

  it("by the cluster's azure.json, before its file and behind variables", async () => {
    const path = await file("two.toml", 'ResourceGroup = "a"\nRegion = "westus"\n');
    const AKS_CREDENTIAL_LOCATION = await file("azure.json", JSON.stringify(aks));
    const config = await read({ AKS_CREDENTIAL_LOCATION, ACI_REGION: "chinanorth", ACI_SUBNET_NAME: "vn" }, path);
    assert.deepEqual([config.resourceGroup, config.region, config.cloud], ["cluster", "chinanorth", "AzureChinaCloud"]);
    assert.equal(config.subscription, other);
    const { subnet } = config.network;
    assert.deepEqual([subnet?.virtualNetwork, subnet?.resourceGroup, subnet?.name], ["net", "nets", "vn"]);
    assert.deepEqual(await credentialOf(config.credentials, { AKS_CREDENTIAL_LOCATION }), {
      type: "managedIdentity",
      clientId: "user",
    });
  });

  it("a virtual network without a subnet is none, and needs none of its variables", async () => {
    const env = {
      ...variables,
      ACI_VNET_NAME: "v",
      KUBE_DNS_IP: "10.0.0.10",
      MASTER_URI: "10.0.0.1",
      ENABLE_REAL_TIME_METRICS: "true",
    };
    const config = await read(env);
    assert.deepEqual(
      [config.network.subnet, config.network.kubeProxy, config.realTimeMetrics],
      [undefined, undefined, false],
    );
  });

  it("network, proxy, metrics and logs by variables", async () => {
    const workspace = await file("workspace.json", JSON.stringify({ workspaceID: "w", workspaceKey: "from the file" }));
    const config = await read({
      ...variables,
      ...{ ACI_VNET_NAME: "v", ACI_VNET_RESOURCE_GROUP: "g", ACI_VNET_SUBSCRIPTION_ID: other, ACI_SUBNET_NAME: "s" },
      ...{
        KUBE_DNS_IP: "10.0.0.10",
        MASTER_URI: "10.0.0.1",
        CLUSTER_CIDR: "10.244.0.0/16",
        ENABLE_REAL_TIME_METRICS: "true",
      },
      ...{
        LOG_ANALYTICS_AUTH_LOCATION: workspace,
        LOG_ANALYTICS_KEY: "from a variable",
        CLUSTER_RESOURCE_ID: "/cluster",
      },
      ACI_EXTRA_USER_AGENT: "me",
    });
    assert.deepEqual(config.network, {
      subnet: { subscription: other, resourceGroup: "g", virtualNetwork: "v", name: "s" },
      ...{ publicIP: false, clusterDNS: "10.0.0.10" },
      kubeProxy: { masterURI: "10.0.0.1", clusterCIDR: "10.244.0.0/16", kubeconfigFile: "", kubeVersion: "v1.9.10" },
    });
    assert.deepEqual([config.realTimeMetrics, config.userAgent], [true, "me"]);
    assert.deepEqual(config.logAnalytics, {
      ...{ workspaceID: "w", workspaceKey: "from a variable", workspaceResourceID: "", clusterResourceID: "/cluster" },
    });
  });

  it("AZURE_AUTH_LOCATION in UTF-16, with the user's own identity", async () => {
    const text = JSON.stringify({ clientId: "c", clientSecret: "secret", subscriptionId: subscription, tenantId: "t" });
    const AZURE_AUTH_LOCATION = await file("auth.json", Buffer.from(`\ufeff${text}`, "utf16le"));
    const env = { AZURE_AUTH_LOCATION, ACI_RESOURCE_GROUP: "pods", ACI_REGION: "westeurope" };
    const config = await read(env);
    assert.equal(config.subscription, subscription);
    assert.deepEqual(await credentialOf(config.credentials, env), {
      ...{ type: "clientSecret", tenantId: "t", clientId: "c", clientSecret: "secret" },
    });
  });
});

describe("a configuration of our own", () => {
  it("goes before variables, which fill in what it does not say; nothing is open that it does not open", async () => {
    const config = await read({ ...variables, ACI_QUOTA_CPU: "7" }, undefined, { region: "northeurope" });
    assert.deepEqual([config.region, config.resourceGroup, config.capacity["cpu"]], ["northeurope", "pods", "7"]);
    assert.deepEqual([config.network.publicIP, config.unenforcedSecurity], [false, "refuse"]);
  });

  it("in a file of YAML", async () => {
    const path = await file(
      "own.yaml",
      `subscription: ${subscription}\nresourceGroup: g\nregion: west us 2\npriority: Spot\n`,
    );
    const config = await read({}, path);
    assert.deepEqual([config.resourceGroup, config.region, config.priority], ["g", "west us 2", "Spot"]);
  });

  it("a file of credentials", async () => {
    const path = await file(
      "auth2.json",
      JSON.stringify({ clientId: "c", clientSecret: "s", tenantId: "t", subscriptionId: other }),
    );
    const config = await read({ ACI_REGION: "westus", ACI_RESOURCE_GROUP: "g" }, undefined, {
      credentials: { type: "authFile", file: path },
    });
    assert.equal(config.subscription, other);
    assert.equal((await credentialOf(config.credentials, {})).type, "clientSecret");
  });
});

describe("faults", () => {
  const faults = (work: Promise<unknown>, ...expected: RegExp[]): Promise<void> =>
    assert.rejects(work, (error: Error) => {
      for (const pattern of expected) assert.match(error.message, pattern);
      return true;
    });

  it("an identity of the cluster that no webhook has told of: each setting with its own variable", async () => {
    const config = await read(variables, undefined, { credentials: { type: "workloadIdentity", tenantID: other } });
    await faults(
      credentialOf(config.credentials, {}),
      /: credentials\.clientID: is required, here or by AZURE_CLIENT_ID; credentials\.tokenFile: is required, here or by AZURE_FEDERATED_TOKEN_FILE \(in a pod/,
    );
  });

  it("all at once, each with its setting and what would be right", () =>
    faults(
      read({}, undefined, {
        region: "West-Europe!",
        zones: ["one"],
        network: { publicIP: true, kubeproxy: {}, subnet: { virtualNetwork: "v", name: "s", cidr: "everything" } },
        priority: "cheap",
        registries: [{ server: "https://r.example.com", identity: "me" }],
      }),
      /subscription: is required, here or by AZURE_SUBSCRIPTION_ID/,
      /resourceGroup: is required, here or by ACI_RESOURCE_GROUP/,
      /region: must be a region like westeurope/,
      /zones\[0\]: must be a number of a zone/,
      /network.kubeproxy: unknown setting/,
      /network.subnet.cidr: must be a range of addresses/,
      /priority: must be Regular or Spot/,
      /registries\[0\]\.server: must be a host/,
      /registries\[0\]\.identity: must be a resource id/,
    ));

  it("of the Go provider's file, in its names", async () => {
    const path = await file("bad.toml", 'CPU = "much"\nOperatingSystem = "BeOS"\nPodz = "1"\n');
    await faults(
      read(variables, path),
      /CPU: must be a quantity/,
      /OperatingSystem: must be Linux or Windows/,
      /Podz: unknown setting/,
    );
  });

  it("another system than the node's is told, with the flag", async () => {
    const path = await file("windows.toml", 'OperatingSystem = "Windows"\n');
    await faults(read(variables, path), /OperatingSystem: is Windows, and that of the node is linux \(--os Windows\)/);
    assert.equal((await read(variables, path, undefined, "windows")).region, "westeurope");
  });

  it("what is in a file of secrets is not in the message", async () => {
    const LOG_ANALYTICS_AUTH_LOCATION = await file("broken.json", '{"workspaceKey": "hunter2"');
    await assert.rejects(read({ ...variables, LOG_ANALYTICS_AUTH_LOCATION }), (error: Error) => {
      assert.match(error.message, /LOG_ANALYTICS_AUTH_LOCATION: .*broken.json is no JSON/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });

  it("public addresses, the proxy and the figures of the extension each need what they need", () =>
    faults(
      read(variables, undefined, { network: { kubeProxy: {} }, realTimeMetrics: true }),
      /network.kubeProxy: needs network.subnet/,
      /realTimeMetrics: needs network.subnet/,
    ));

  it("files that are not there", () =>
    faults(
      read({ ...variables, AKS_CREDENTIAL_LOCATION: "/nowhere" }),
      /AKS_CREDENTIAL_LOCATION: cannot read \/nowhere/,
    ));
});
