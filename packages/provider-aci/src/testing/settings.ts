// Configurations that the pods of testdata are translated with.
import { type AciConfig, parseAciConfig } from "../config.ts";

const subscription = "00000000-1111-2222-3333-444444444444";
const account = { subscription, resourceGroup: "pods", region: "westeurope" };
const identity = (name: string): string =>
  `/subscriptions/${subscription}/resourceGroups/pods/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;

const inSubnet = {
  ...account,
  network: {
    subnet: { virtualNetwork: "cluster", name: "virtual-node", resourceGroup: "net" },
    clusterDNS: "10.0.0.10",
    kubeProxy: { masterURI: "10.0.0.1", clusterCIDR: "10.244.0.0/16" },
  },
  identities: { default: [identity("all")], allowed: ["/subscriptions/s/*/userAssignedIdentities/shop"] },
  allowedSubnets: ["*"],
  registries: [{ server: "identity.registry.example.com", identity: identity("pull") }],
  logAnalytics: {
    workspaceID: "workspace",
    workspaceKey: "workspace-key",
    clusterResourceID: "/subscriptions/s/cluster",
  },
  realTimeMetrics: true,
  tags: { env: "test" },
};

export const settings: Readonly<Record<string, AciConfig>> = {
  public: parseAciConfig({ ...account, network: { publicIP: true }, unenforcedSecurity: "warn" }),
  subnet: parseAciConfig(inSubnet),
  helper: parseAciConfig({ ...account, helperImage: "helper:1" }),
};
