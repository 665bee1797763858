// A fake of Elastic Container Instance with a client of ours, for tests.
import { type Provider, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { CallBudget } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { KeySource } from "../api/credentials.ts";
import { RestClient } from "../api/rest-client.ts";
import { parseEciConfig } from "../config-schema.ts";
import { eciProviderOf } from "../eci-provider.ts";
import type { CreateContainerGroupRequest } from "../wire.ts";
import type { FakeEci } from "./fake-eci.ts";

export interface ClientOptions {
  /** Default: the first ones of the fake. */
  readonly keys?: KeySource | undefined;
  readonly endpoint?: string | undefined;
}

/** Without a limit of calls to speak of. */
export function clientOf(fake: FakeEci, { keys, endpoint = fake.url }: ClientOptions = {}): RestClient {
  const many = { perSecond: 1000, burst: 1000 };
  return new RestClient({
    ...{ region: fake.region, endpoint, ca: fake.ca, clock: systemClock, env: {}, userAgent: "test" },
    keys: keys ?? firstKeys(fake),
    budget: new CallBudget({
      ...{ limits: { CreateContainerGroup: { ...many, passThrottled: true } }, fallback: many },
      ...{ clock: systemClock, random: Math.random, log: silentLogger },
    }),
  });
}

export function firstKeys(fake: FakeEci): KeySource {
  return {
    keys: async () => {
      const [keys] = fake.keys;
      if (keys === undefined) throw new Error("the fake has no keys");
      return keys;
    },
    refused: () => {},
  };
}

/** A group of one container of the image. */
export function groupOf(
  name: string,
  image: string,
  more: Partial<CreateContainerGroupRequest> = {},
): CreateContainerGroupRequest {
  return {
    ...{ ContainerGroupName: name, RestartPolicy: "Never", VSwitchId: "vsw-1", SecurityGroupId: "sg-1" },
    Container: [{ Name: "web", Image: image, Cpu: 0.25, Memory: 0.5 }],
    ...more,
  };
}

const pace = { fastMs: 20, slowMs: 100, steadyMs: 100, pushedMs: 200 };

/** `settings`: of the configuration. */
export function providerOf(
  fake: FakeEci,
  { node, cluster, settings = {} }: { readonly node: string; readonly cluster: string; readonly settings?: object },
): Provider {
  const network = { vSwitches: ["vsw-1"], securityGroup: "sg-1" };
  const config = parseEciConfig({ region: fake.region, endpoint: fake.url, network, ...settings });
  const timing = { pace, consistencyMs: 1000, followEveryMs: 50, watchEveryMs: 200 };
  return eciProviderOf({ node, cluster, log: silentLogger }, config, clientOf(fake), timing);
}
