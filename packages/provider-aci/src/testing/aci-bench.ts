// The provider over the fake of Azure Resource Manager, for tests.
import { type Provider, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { CloudProvider } from "@virtual-kubelet/virtual-kubelet/cloud";
import { AciBackend } from "../aci-backend.ts";
import { capabilitiesOf } from "../aci-provider.ts";
import { parseAciConfig } from "../config.ts";
import { clientOf } from "./arm-bench.ts";
import type { FakeArm } from "./fake-arm.ts";

export const pace = { fastMs: 20, slowMs: 100, steadyMs: 100 };

export interface BenchSettings {
  readonly node: string;
  readonly cluster: string;
  /** Of the provider's configuration. */
  readonly settings?: object | undefined;
}

export function backendOf(fake: FakeArm, { node, cluster, settings = {} }: BenchSettings): AciBackend {
  const account = { subscription: fake.subscription, resourceGroup: "group", region: fake.location };
  return new AciBackend({
    ...{ client: clientOf(fake), node, cluster, clock: systemClock, log: silentLogger },
    config: parseAciConfig({ ...account, network: { publicIP: true }, ...settings }),
    ...{ clusterDomain: "cluster.local", operatingSystem: "linux", followEveryMs: 50 },
  });
}

export function providerOf(fake: FakeArm, settings: BenchSettings): Provider {
  return new CloudProvider({
    ...{ backend: backendOf(fake, settings), node: settings.node, log: silentLogger, pace },
    capabilities: capabilitiesOf("linux"),
    consistencyMs: 1000,
  });
}
